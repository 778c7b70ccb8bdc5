# Two bridges on Fargate with TLS, state that outlives a task, events, Consul and EC2 beside ECS, and the Envoys that they serve.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

provider "aws" {
  region = var.region
}

resource "aws_service_discovery_private_dns_namespace" "mesh" {
  name = "mesh.internal"
  vpc  = var.vpc_id
}

module "xds_bridge" {
  source                        = "../../modules/ecs"
  config                        = file("${path.module}/bridge.yaml")
  environment                   = { CONSUL = var.consul.address }
  image                         = var.image
  cluster_arn                   = var.cluster_arn
  vpc_id                        = var.vpc_id
  subnet_ids                    = var.subnet_ids
  envoy_security_group_ids      = { edge = aws_security_group.edge.id }
  prometheus_security_group_ids = var.prometheus_security_group_id == null ? {} : { prometheus = var.prometheus_security_group_id }
  cloud_map_namespace           = aws_service_discovery_private_dns_namespace.mesh
  # By its mount targets, so that these are there before a task wants them.
  efs   = { file_system_id = aws_efs_mount_target.state[0].file_system_id, security_group_id = aws_security_group.state.id }
  peers = true
  egress = {
    "HTTPS, to AWS" = { port = 443, cidr = "0.0.0.0/0" }
    "Consul"        = { port = 8501, security_group_id = var.consul.security_group_id }
  }
  secret_files = {
    "credentials/tls.crt"      = "${var.secret_arns.bridge}:certificate::"
    "credentials/tls.key"      = "${var.secret_arns.bridge}:private_key::"
    "credentials/ca.crt"       = "${var.secret_arns.bridge}:ca::"
    "credentials/consul-token" = var.secret_arns.consul
  }
}

output "xds" {
  description = "The bridges, for Envoys elsewhere."
  value       = module.xds_bridge.xds
}
