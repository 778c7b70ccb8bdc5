# The Envoys: each writes its bootstrap at its start, with its own id and zone, and then follows the bridges.

locals {
  bootstrap = join(" ", concat(
    ["xds-bridge bootstrap --from-ecs-metadata --cluster edge --listen 0.0.0.0:8080 --route /=web"],
    ["--tls-certificate /etc/envoy/tls.crt --tls-key /etc/envoy/tls.key --tls-ca /etc/envoy/ca.crt"],
    [for address in module.xds_bridge.xds : "--bridge ${address}"],
  ))
  log = {
    for container in ["bootstrap", "envoy"] : container => {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.edge.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "edge"
      }
    }
  }
}

resource "aws_ecs_task_definition" "edge" {
  family                   = "edge"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.edge.arn

  # The image of the bridge has a folder /etc/xds-bridge for its user; what is written there is Envoy's /etc/envoy.
  volume {
    name = "bootstrap"
  }

  container_definitions = jsonencode([
    {
      name                   = "bootstrap"
      image                  = var.image
      essential              = false
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      entryPoint             = ["sh", "-ec"]
      command = [<<-EOT
        umask 077
        cd /etc/xds-bridge
        printf '%s\n' "$CERTIFICATE" > tls.crt
        printf '%s\n' "$PRIVATE_KEY" > tls.key
        printf '%s\n' "$CA" > ca.crt
        ${local.bootstrap} > envoy.yaml
      EOT
      ]
      mountPoints = [{ sourceVolume = "bootstrap", containerPath = "/etc/xds-bridge", readOnly = false }]
      secrets = [
        for name in ["CERTIFICATE", "PRIVATE_KEY", "CA"] :
        { name = name, valueFrom = "${var.secret_arns.envoy}:${lower(name)}::" }
      ]
      logConfiguration = local.log["bootstrap"]
    },
    {
      name                   = "envoy"
      image                  = var.envoy_image
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      command                = ["envoy", "--config-path", "/etc/envoy/envoy.yaml"]
      dependsOn              = [{ containerName = "bootstrap", condition = "SUCCESS" }]
      mountPoints            = [{ sourceVolume = "bootstrap", containerPath = "/etc/envoy", readOnly = true }]
      portMappings           = [{ containerPort = 8080, protocol = "tcp" }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      logConfiguration       = local.log["envoy"]
    },
  ])
}

resource "aws_ecs_service" "edge" {
  name            = "edge"
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.edge.arn
  launch_type     = "FARGATE"
  desired_count   = 2

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.edge.id]
    assign_public_ip = false
  }

  # What a task needs at its start.
  depends_on = [
    aws_iam_role_policy.edge,
    aws_vpc_security_group_egress_rule.edge_to_aws,
    aws_vpc_security_group_egress_rule.edge_to_bridges,
  ]
}

# Let your load balancer in at 8080, and the Envoys out to your services, here.
resource "aws_security_group" "edge" {
  name        = "edge"
  description = "Envoys that follow xds-bridge"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "edge_to_bridges" {
  security_group_id            = aws_security_group.edge.id
  description                  = "xDS"
  referenced_security_group_id = module.xds_bridge.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 18000
}

resource "aws_vpc_security_group_egress_rule" "edge_to_aws" {
  security_group_id = aws_security_group.edge.id
  description       = "HTTPS, to the registry of images, the log and the secrets"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_cloudwatch_log_group" "edge" {
  #checkov:skip=CKV_AWS_158: CloudWatch encrypts it with a key of its own.
  #checkov:skip=CKV_AWS_338: A month is enough to look into what happened.
  name              = "/edge"
  retention_in_days = 30
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_iam_policy_document" "ecs" {
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

resource "aws_iam_role" "edge" {
  name               = "edge-execution"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

data "aws_iam_policy_document" "edge" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arns.envoy]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.edge.arn}:*"]
  }
  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${data.aws_partition.current.partition}:ecr:${var.region}:${data.aws_caller_identity.current.account_id}:repository/*"]
  }
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "edge" {
  name   = "start"
  role   = aws_iam_role.edge.name
  policy = data.aws_iam_policy_document.edge.json
}
