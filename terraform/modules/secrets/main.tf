# The policy of whoever fetches the secrets of xds-bridge. For the modules ecs and ec2.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

data "aws_region" "current" {}

locals {
  # A secret's ARN may have a key, a stage and a version behind it, as ECS has it.
  statements = {
    for action, arns in {
      "secretsmanager:GetSecretValue" = distinct([
        for arn in values(var.secret_files) : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")
      ])
      "ssm:GetParameters" = distinct([for arn in values(var.secret_files) : arn if strcontains(arn, ":ssm:")])
    } : action => arns if length(arns) > 0
  }
}

data "aws_iam_policy_document" "this" {
  dynamic "statement" {
    for_each = local.statements
    content {
      actions   = [statement.key]
      resources = statement.value
    }
  }
  dynamic "statement" {
    for_each = length(var.kms_key_arns) > 0 ? [var.kms_key_arns] : []
    content {
      actions   = ["kms:Decrypt"]
      resources = statement.value
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for each in ["secretsmanager", "ssm"] : "${each}.${data.aws_region.current.id}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = length(var.secret_files) > 0 ? var.role_names : {}
  name     = "secrets"
  role     = each.value
  policy   = data.aws_iam_policy_document.this.json
}
