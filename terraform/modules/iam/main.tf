# The role that xds-bridge reads AWS with: what `xds-bridge iam-policy` prints, and no action more.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

locals {
  # A name stands for the cluster in every account of the region, as in the configuration.
  cluster_prefix = "arn:${data.aws_partition.current.partition}:ecs:${var.region}:*:cluster"
  cluster_arns = [
    for cluster in var.ecs_clusters : startswith(cluster, "arn:") ? cluster : "${local.cluster_prefix}/${cluster}"
  ]
  ecs_unscoped = concat(
    ["ecs:DescribeTaskDefinition", "ec2:DescribeInstances", "ssm:DescribeInstanceInformation"],
    length(var.ecs_clusters) == 0 ? ["ecs:ListClusters"] : [],
    var.public_addresses ? ["ec2:DescribeNetworkInterfaces"] : [],
    var.zone_ids ? ["ec2:DescribeAvailabilityZones"] : [],
  )
  ec2_actions = concat(
    ["ec2:DescribeInstances"],
    var.zone_ids ? ["ec2:DescribeAvailabilityZones"] : [],
    var.autoscaling ? ["autoscaling:DescribeAutoScalingInstances"] : [],
  )
  in_region = [{ test = "StringEquals", variable = "aws:RequestedRegion", values = [var.region] }]
  in_clusters = length(local.cluster_arns) == 0 ? [] : [{
    test     = anytrue([for arn in local.cluster_arns : strcontains(arn, "*")]) ? "ArnLike" : "ArnEquals"
    variable = "ecs:cluster"
    values   = local.cluster_arns
  }]
  statements = concat(
    var.ecs ? [
      {
        sid        = "EcsClusters"
        actions    = ["ecs:DescribeClusters"]
        resources  = length(local.cluster_arns) > 0 ? local.cluster_arns : ["${local.cluster_prefix}/*"]
        conditions = local.in_region
      },
      {
        sid        = "EcsHostsEcsTaskDefinitions"
        actions    = local.ecs_unscoped
        resources  = ["*"]
        conditions = local.in_region
      },
      {
        sid        = "EcsTasks"
        actions    = ["ecs:DescribeContainerInstances", "ecs:DescribeTasks", "ecs:ListTasks"]
        resources  = ["*"]
        conditions = concat(local.in_region, local.in_clusters)
      },
    ] : [],
    var.ec2 ? [{
      sid        = "Ec2Instances"
      actions    = local.ec2_actions
      resources  = ["*"]
      conditions = local.in_region
    }] : [],
    length(var.queue_arns) > 0 ? [{
      sid        = "Events"
      actions    = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources  = var.queue_arns
      conditions = []
    }] : [],
    length(var.assume_role_arns) > 0 ? [{
      sid        = "AssumeRoles"
      actions    = ["sts:AssumeRole"]
      resources  = var.assume_role_arns
      conditions = []
    }] : [],
  )
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [var.service]
    }
    # ECS says for whom it asks; EC2 does not.
    dynamic "condition" {
      for_each = var.service == "ecs-tasks.amazonaws.com" ? [data.aws_caller_identity.current.account_id] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

data "aws_iam_policy_document" "read" {
  dynamic "statement" {
    for_each = local.statements
    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources
      dynamic "condition" {
        for_each = statement.value.conditions
        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "What xds-bridge reads endpoints with"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

# None for a bridge that reads Consul and files alone.
resource "aws_iam_role_policy" "read" {
  count  = length(local.statements) > 0 ? 1 : 0
  name   = "read"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_instance_profile" "this" {
  count = var.service == "ec2.amazonaws.com" ? 1 : 0
  name  = var.name
  role  = aws_iam_role.this.name
  tags  = var.tags
}
