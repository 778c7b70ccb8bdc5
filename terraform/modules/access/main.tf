# Who reaches the replicas of xds-bridge, and whom they reach; a load balancer where they have no names of their own. For the
# modules ecs and ec2.

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
  replicas = toset([for number in range(var.replicas) : tostring(number + 1)])
  balanced = var.load_balancer ? local.replicas : toset([])
  # A port each: an Envoy that lost one replica is to find another one, not the same again.
  ports = { for each in local.replicas : each => 17999 + tonumber(each) }

  bridge   = aws_security_group.bridge.id
  balancer = one(aws_security_group.balancer[*].id)
  xds      = { for name, id in var.envoy_security_group_ids : "xDS for ${name}" => id }
  peers    = var.peers ? { "Replicas compare what they serve" = { group = local.bridge, port = 19000 } } : {}

  # By what each is for: who is let in at which port, and who is reached.
  ingress = merge(
    { for purpose, group in local.xds : purpose => { group = group, port = 18000 } if !var.load_balancer },
    var.load_balancer ? { "xDS by the load balancer" = { group = local.balancer, port = 18000 } } : {},
    { for name, id in var.prometheus_security_group_ids : "Metrics for ${name}" => { group = id, port = 19000 } },
    local.peers,
  )
  egress = merge(
    { for purpose, to in var.egress : purpose => {
      cidr = to.cidr, group = to.security_group_id, prefix_list = to.prefix_list_id, port = to.port
    } },
    { for purpose, to in local.peers : purpose => merge(to, { cidr = null, prefix_list = null }) },
  )
}

resource "aws_security_group" "bridge" {
  #checkov:skip=CKV2_AWS_5: The modules ecs and ec2 attach it.
  name        = var.name
  description = "xds-bridge: Envoys and Prometheus in, its sources out"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "bridge" {
  for_each                     = local.ingress
  security_group_id            = local.bridge
  description                  = each.key
  referenced_security_group_id = each.value.group
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "bridge" {
  for_each                     = local.egress
  security_group_id            = local.bridge
  description                  = each.key
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.group
  prefix_list_id               = each.value.prefix_list
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = var.tags
}

resource "aws_security_group" "balancer" {
  count       = var.load_balancer ? 1 : 0
  name        = "${var.name}-balancer"
  description = "xds-bridge: Envoys to its load balancer"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each                     = var.load_balancer ? local.xds : {}
  security_group_id            = local.balancer
  description                  = each.key
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 17999 + var.replicas
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  count                        = var.load_balancer ? 1 : 0
  security_group_id            = local.balancer
  description                  = "xDS to the replicas"
  referenced_security_group_id = local.bridge
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 18000
  tags                         = var.tags
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150: Without it Envoys keep what they have; `terraform destroy` is to work.
  #checkov:skip=CKV_AWS_91: It forwards TLS; who connected is in the bridge's own log and metrics.
  count              = var.load_balancer ? 1 : 0
  name               = var.name
  internal           = true
  load_balancer_type = "network"
  subnets            = var.subnet_ids
  security_groups    = [local.balancer]
  # A replica is in one zone, and Envoys are in all of them.
  enable_cross_zone_load_balancing = true
  tags                             = var.tags
}

resource "aws_lb_target_group" "this" {
  for_each    = local.balanced
  name        = "${var.name}-${each.key}"
  vpc_id      = var.vpc_id
  target_type = var.target_type
  protocol    = "TCP"
  port        = 18000
  # A bridge that stops tells its Envoys to go elsewhere by itself.
  deregistration_delay = 30
  health_check {
    protocol = "TCP"
    port     = "18000"
    interval = 10
  }
  tags = var.tags
}

resource "aws_lb_listener" "this" {
  for_each          = local.balanced
  load_balancer_arn = aws_lb.this[0].arn
  protocol          = "TCP"
  port              = local.ports[each.key]
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }
  tags = var.tags
}
