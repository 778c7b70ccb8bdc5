# xds-bridge as tasks of ECS: a service of one task for each replica, since tasks have no number, and each replica has its own
# name, queues and state.

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
  # One for each zone, as far as there are zones.
  replicas = {
    for number in range(var.replicas) : tostring(number + 1) => {
      name      = "${var.name}-${number + 1}"
      subnet_id = element(var.subnet_ids, number)
    }
  }
  files = merge(var.files, { "bridge.yaml" = var.config })
  # By their order: a name of a variable has no dots and no slashes.
  secrets = { for number, file in sort(keys(var.secret_files)) : file => "SECRET_${number}" }
  volumes = { files = "/etc/xds-bridge", state = "/var/lib/xds-bridge", run = "/run/xds-bridge" }
  on_efs  = var.efs != null
  # Fargate has these pairs alone (MiB by CPU units).
  fargate_memory = { 256 = [512, 2048], 512 = [1024, 4096], 1024 = [2048, 8192], 2048 = [4096, 16384] }
}

module "access" {
  source                        = "../access"
  name                          = var.name
  replicas                      = var.replicas
  vpc_id                        = var.vpc_id
  subnet_ids                    = var.subnet_ids
  envoy_security_group_ids      = var.envoy_security_group_ids
  prometheus_security_group_ids = var.prometheus_security_group_ids
  peers                         = var.peers
  egress = merge(var.egress, local.on_efs ? {
    "State on EFS" = { port = 2049, security_group_id = var.efs.security_group_id }
  } : {})
  load_balancer = var.cloud_map_namespace == null
  target_type   = "ip"
  tags          = var.tags
}

module "replica" {
  source               = "../replica"
  for_each             = local.replicas
  name                 = each.value.name
  config               = var.config
  files                = var.files
  service              = "ecs-tasks.amazonaws.com"
  api_budget           = var.api_budget / var.replicas
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: How long is log_retention_days; a month is enough to look into what happened.
  name              = "/xds-bridge/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_service_discovery_service" "this" {
  for_each = var.cloud_map_namespace == null ? {} : local.replicas
  name     = each.value.name
  dns_config {
    namespace_id   = var.cloud_map_namespace.id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 10
    }
  }
  tags = var.tags
}

resource "aws_efs_access_point" "this" {
  for_each       = local.on_efs ? local.replicas : {}
  file_system_id = var.efs.file_system_id
  posix_user {
    uid = 65532
    gid = 65532
  }
  root_directory {
    path = "/${each.value.name}"
    creation_info {
      owner_uid   = 65532
      owner_gid   = 65532
      permissions = "0700"
    }
  }
  tags = merge(var.tags, { Name = each.value.name })
}

data "aws_iam_policy_document" "state" {
  for_each = aws_efs_access_point.this
  statement {
    sid       = "State"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [each.value.file_system_arn]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [each.value.arn]
    }
  }
}

resource "aws_iam_role_policy" "state" {
  for_each = data.aws_iam_policy_document.state
  name     = "state"
  role     = module.replica[each.key].role.name
  policy   = each.value.json
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.replicas
  family                   = each.value.name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = module.replica[each.key].role.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = local.volumes
    content {
      name = volume.key
      dynamic "efs_volume_configuration" {
        for_each = volume.key == "state" && local.on_efs ? [aws_efs_access_point.this[each.key].id] : []
        content {
          file_system_id     = var.efs.file_system_id
          transit_encryption = "ENABLED"
          authorization_config {
            access_point_id = efs_volume_configuration.value
            iam             = "ENABLED"
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.launch_type != "FARGATE" || (var.memory >= local.fargate_memory[var.cpu][0] && var.memory <= local.fargate_memory[var.cpu][1])
      error_message = "Fargate has from ${local.fargate_memory[var.cpu][0]} to ${local.fargate_memory[var.cpu][1]} MiB of memory with cpu = ${var.cpu}."
    }
    precondition {
      condition     = length(jsonencode(local.files)) < 45000
      error_message = "config and files are part of the task definition, of which AWS takes 64 KiB; ${length(jsonencode(local.files))} characters are too many for it."
    }
  }

  container_definitions = jsonencode([
    # It writes the configuration and ends; then the bridge starts.
    merge(local.container, {
      name        = "files"
      essential   = false
      entryPoint  = ["/opt/xds-bridge/bin/python3", "-c", file("${path.module}/files.py")]
      command     = []
      mountPoints = [{ sourceVolume = "files", containerPath = local.volumes.files, readOnly = false }]
      environment = [
        { name = "FILES", value = jsonencode(local.files) },
        { name = "SECRETS", value = jsonencode(local.secrets) },
      ]
      secrets = [for file, variable in local.secrets : { name = variable, valueFrom = var.secret_files[file] }]
    }),
    merge(local.container, {
      name      = "xds-bridge"
      essential = true
      dependsOn = [{ containerName = "files", condition = "SUCCESS" }]
      mountPoints = [
        for volume, place in local.volumes : { sourceVolume = volume, containerPath = place, readOnly = volume == "files" }
      ]
      environment = [
        for name, value in merge(var.environment, module.replica[each.key].environment) : { name = name, value = value }
      ]
      portMappings = [for port in [18000, 19000] : { containerPort = port, protocol = "tcp" }]
      # That it lives, not that it is ready: a source that is away must not end the task.
      healthCheck = { command = ["CMD", "xds-bridge-health"], interval = 10, timeout = 5, retries = 3, startPeriod = 60 }
      stopTimeout = 30
      ulimits     = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    }),
  ])
}

locals {
  container = {
    image                  = var.image
    user                   = "65532:65532"
    readonlyRootFilesystem = !var.execute_command
    # Who comes by execute-command is root, and may not use the bridge's socket without this one right of root's.
    linuxParameters = { initProcessEnabled = true, capabilities = { drop = var.execute_command ? [] : ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = data.aws_region.current.id
        "awslogs-stream-prefix" = "bridge"
      }
    }
  }
}

resource "aws_ecs_service" "this" {
  for_each               = local.replicas
  name                   = each.value.name
  cluster                = var.cluster_arn
  task_definition        = aws_ecs_task_definition.this[each.key].arn
  launch_type            = var.launch_type
  desired_count          = 1
  enable_execute_command = var.execute_command
  propagate_tags         = "SERVICE"
  tags                   = var.tags

  # State on EFS is for one bridge at a time, so the old task has to end first, and the next replica has to wait for that (apply
  # with -parallelism=1); otherwise the new one has to live first.
  wait_for_steady_state              = local.on_efs
  deployment_minimum_healthy_percent = local.on_efs ? 0 : 100
  deployment_maximum_percent         = local.on_efs ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [each.value.subnet_id]
    security_groups  = [module.access.security_group_id]
    assign_public_ip = false
  }

  dynamic "service_registries" {
    for_each = var.cloud_map_namespace == null ? [] : [aws_service_discovery_service.this[each.key].arn]
    content {
      registry_arn = service_registries.value
    }
  }

  dynamic "load_balancer" {
    for_each = var.cloud_map_namespace == null ? [module.access.target_group_arns[each.key]] : []
    content {
      target_group_arn = load_balancer.value
      container_name   = "xds-bridge"
      container_port   = 18000
    }
  }

  # What a task needs at its start.
  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.state,
    aws_iam_role_policy.exec,
    module.secrets,
    module.replica,
    module.access,
  ]

  lifecycle {
    precondition {
      condition     = !var.peers || var.cloud_map_namespace != null
      error_message = "peers needs cloud_map_namespace: at a load balancer replicas have no address for port 19000."
    }
  }
}
