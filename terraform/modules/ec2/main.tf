# xds-bridge on instances of EC2, as a service of systemd: a group of one instance for each replica, since each replica has its
# own name and queues. A load balancer gives them addresses that stay.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

locals {
  # One for each zone, as far as there are zones.
  replicas = {
    for number in range(var.replicas) : tostring(number + 1) => {
      name      = "${var.name}-${number + 1}"
      subnet_id = element(var.subnet_ids, number)
    }
  }
  with_secrets = length(var.secret_files) > 0
  # By their path on the instance.
  files = merge(
    { for path, text in merge(var.files, { "bridge.yaml" = var.config }) : "/etc/xds-bridge/${path}" => text },
    local.with_secrets ? {
      "/usr/local/lib/xds-bridge/fetch_secrets.py"     = file("${path.module}/fetch_secrets.py")
      "/usr/local/lib/xds-bridge/secrets.json"         = jsonencode(var.secret_files)
      "/etc/systemd/system/xds-bridge-secrets.service" = file("${path.module}/xds-bridge-secrets.service")
      "/etc/systemd/system/xds-bridge-secrets.timer"   = file("${path.module}/xds-bridge-secrets.timer")
    } : {},
  )
  drop_ins = {
    for each, replica in module.replica : each => join("\n", concat(["[Service]"], [
      # systemd gives %, " and \ a meaning.
      for name, value in merge(var.environment, replica.environment) :
      "Environment=\"${name}=${replace(replace(replace(value, "\\", "\\\\"), "\"", "\\\""), "%", "%%")}\""
    ], [""]))
  }
  user_data = {
    for each in keys(local.replicas) : each => base64gzip(templatefile("${path.module}/user_data.sh", {
      # Quotes in it would end the text that it is in.
      files = replace(jsonencode(merge(local.files, {
        "/etc/systemd/system/xds-bridge.service.d/replica.conf" = local.drop_ins[each]
      })), "'", "\\u0027")
      secrets        = local.with_secrets
      pip_index_url  = var.pip_index_url
      release_url    = var.release_url
      release_sha256 = var.release_sha256
    }))
  }
}

module "access" {
  source                        = "../access"
  name                          = var.name
  replicas                      = var.replicas
  vpc_id                        = var.vpc_id
  subnet_ids                    = var.subnet_ids
  envoy_security_group_ids      = var.envoy_security_group_ids
  prometheus_security_group_ids = var.prometheus_security_group_ids
  peers                         = false # they have no address for it
  egress                        = var.egress
  load_balancer                 = true
  target_type                   = "instance"
  tags                          = var.tags
}

module "replica" {
  source               = "../replica"
  for_each             = local.replicas
  name                 = each.value.name
  config               = var.config
  files                = var.files
  service              = "ec2.amazonaws.com"
  api_budget           = var.api_budget / var.replicas
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

module "secrets" {
  source       = "../secrets"
  role_names   = { for each, replica in module.replica : each => replica.role.name }
  secret_files = var.secret_files
  kms_key_arns = var.secret_kms_key_arns
}

resource "aws_launch_template" "this" {
  for_each               = local.replicas
  name                   = each.value.name
  image_id               = var.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = [module.access.security_group_id]
  update_default_version = true
  user_data              = local.user_data[each.key]
  tags                   = var.tags

  iam_instance_profile {
    name = module.replica[each.key].role.instance_profile
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = var.root_device_name
    ebs {
      volume_type           = "gp3"
      volume_size           = 10
      encrypted             = true
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  lifecycle {
    precondition {
      # Of what is encoded, four characters are three bytes.
      condition     = length(local.user_data[each.key]) <= 21848
      error_message = "config and files are too large: AWS takes 16 KiB of user data, compressed, and these make ${floor(length(local.user_data[each.key]) * 3 / 4)} bytes."
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])
    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = each.value.name })
    }
  }
}

resource "aws_autoscaling_group" "this" {
  for_each            = local.replicas
  name                = each.value.name
  vpc_zone_identifier = [each.value.subnet_id]
  min_size            = 1
  desired_capacity    = 1
  # The second one is for an instance refresh, which has the new one live before the old one goes.
  max_size                  = 2
  health_check_type         = "ELB"
  health_check_grace_period = 300
  target_group_arns         = [module.access.target_group_arns[each.key]]

  launch_template {
    id      = aws_launch_template.this[each.key].id
    version = aws_launch_template.this[each.key].latest_version
  }

  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      instance_warmup        = 120
      auto_rollback          = true
    }
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = each.value.name })
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }
}
