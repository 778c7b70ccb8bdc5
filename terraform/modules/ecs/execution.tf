# The role with which ECS itself starts a task: the image, the secrets, the log.

locals {
  # ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, by tag or digest.
  ecr = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", var.image)) ? [
    format(
      "arn:%s:ecr:%s:%s:repository/%s",
      data.aws_partition.current.partition,
      split(".", var.image)[3],
      split(".", var.image)[0],
      regex("^[^/]+/([^:@]+)", var.image)[0],
    )
  ] : []
}

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
  dynamic "statement" {
    for_each = local.ecr
    content {
      sid       = "Image"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = local.ecr
    content {
      sid       = "Registry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "What ECS starts xds-bridge with"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.name
  policy = data.aws_iam_policy_document.execution.json
}

module "secrets" {
  source       = "../secrets"
  role_names   = { execution = aws_iam_role.execution.name }
  secret_files = var.secret_files
  kms_key_arns = var.secret_kms_key_arns
}

# For `aws ecs execute-command`, by which operators reach the bridge's socket.
data "aws_iam_policy_document" "exec" {
  statement {
    sid = "ExecuteCommand"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "exec" {
  for_each = var.execute_command ? local.replicas : {}
  name     = "execute-command"
  role     = module.replica[each.key].role.name
  policy   = data.aws_iam_policy_document.exec.json
}
