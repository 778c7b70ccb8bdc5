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
  files = merge(var.files, { "bridge.yaml" = var.config })
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
  user_data = base64gzip(templatefile("${path.module}/user_data.sh", {
    files           = local.files
    secrets         = var.secret_files
    secrets_script  = file("${path.module}/fetch_secrets.py")
    secrets_service = file("${path.module}/xds-bridge-secrets.service")
    secrets_timer   = file("${path.module}/xds-bridge-secrets.timer")
    pip_index_url   = var.pip_index_url
    release_url     = var.release_url
    release_sha256  = var.release_sha256
    drop_in = join("\n", concat(["[Service]"], [
      for name, value in merge(module.replica[each.key].environment, var.environment) : "Environment=\"${name}=${value}\""
    ], [""]))
  }))
  tags = var.tags

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
