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
}

resource "aws_security_group" "bridge" {
  #checkov:skip=CKV2_AWS_5: The modules ecs and ec2 attach it.
  name        = var.name
  description = "xds-bridge: Envoys and Prometheus in, its sources out"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "envoys" {
  for_each                     = var.load_balancer ? {} : var.envoy_security_group_ids
  security_group_id            = aws_security_group.bridge.id
  description                  = "xDS for ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 18000
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "prometheus" {
  for_each                     = var.prometheus_security_group_ids
  security_group_id            = aws_security_group.bridge.id
  description                  = "Metrics for ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 19000
  to_port                      = 19000
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "peers" {
  count                        = var.peers ? 1 : 0
  security_group_id            = aws_security_group.bridge.id
  description                  = "Replicas compare what they serve"
  referenced_security_group_id = aws_security_group.bridge.id
  ip_protocol                  = "tcp"
  from_port                    = 19000
  to_port                      = 19000
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "peers" {
  count                        = var.peers ? 1 : 0
  security_group_id            = aws_security_group.bridge.id
  description                  = "Replicas compare what they serve"
  referenced_security_group_id = aws_security_group.bridge.id
  ip_protocol                  = "tcp"
  from_port                    = 19000
  to_port                      = 19000
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "sources" {
  for_each                     = var.egress
  security_group_id            = aws_security_group.bridge.id
  description                  = each.key
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.security_group_id
  prefix_list_id               = each.value.prefix_list_id
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
  for_each                     = var.load_balancer ? var.envoy_security_group_ids : {}
  security_group_id            = aws_security_group.balancer[0].id
  description                  = "xDS for ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 17999 + var.replicas
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  count                        = var.load_balancer ? 1 : 0
  security_group_id            = aws_security_group.balancer[0].id
  description                  = "xDS to the replicas"
  referenced_security_group_id = aws_security_group.bridge.id
  ip_protocol                  = "tcp"
  from_port                    = 18000
  to_port                      = 18000
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  count                        = var.load_balancer ? 1 : 0
  security_group_id            = aws_security_group.bridge.id
  description                  = "xDS through the load balancer"
  referenced_security_group_id = aws_security_group.balancer[0].id
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
  security_groups    = [aws_security_group.balancer[0].id]
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
  # As long as a stream may rest: Envoy and the bridge look after it themselves, every 30 s.
  tcp_idle_timeout_seconds = 350
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }
  tags = var.tags
}
