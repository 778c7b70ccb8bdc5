# A queue of SQS that hears at once of what changes in ECS or EC2, for one source of one replica of xds-bridge: see docs/events.md.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  patterns = {
    ecs = merge(
      {
        source        = ["aws.ecs"]
        "detail-type" = ["ECS Task State Change"]
      },
      length(var.cluster_arns) > 0 ? { detail = { clusterArn = var.cluster_arns } } : {},
    )
    ec2 = {
      source = ["aws.ec2", "aws.autoscaling"]
      "detail-type" = [
        "EC2 Instance State-change Notification",
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance-terminate Lifecycle Action",
        "EC2 Instance Launch Successful",
      ]
    }
  }
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 345600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue" "this" {
  name = var.name
  # Whatever is older was found meanwhile by reading everything.
  message_retention_seconds  = 600
  visibility_timeout_seconds = 30
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    # What cannot be applied now comes again every 30 s.
    maxReceiveCount = 10
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_rule" "changes" {
  name          = "${var.name}-changes"
  description   = "What changes in ${upper(var.kind)}, for xds-bridge"
  event_pattern = jsonencode(local.patterns[var.kind])
  tags          = var.tags
}

# By it the bridge tells a quiet day from a broken rule.
resource "aws_cloudwatch_event_rule" "heartbeat" {
  name                = "${var.name}-heartbeat"
  description         = "A sign of life every minute, for xds-bridge"
  schedule_expression = "rate(1 minute)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "changes" {
  rule = aws_cloudwatch_event_rule.changes.name
  arn  = aws_sqs_queue.this.arn
}

resource "aws_cloudwatch_event_target" "heartbeat" {
  rule = aws_cloudwatch_event_rule.heartbeat.name
  arn  = aws_sqs_queue.this.arn
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "Rules"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.this.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.changes.arn, aws_cloudwatch_event_rule.heartbeat.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url
  policy    = data.aws_iam_policy_document.queue.json
}
