# Two bridges on Fargate that read one cluster of ECS, for Envoys that find them by a name of Cloud Map.

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

module "xds_bridge" {
  source                        = "../../modules/ecs"
  config                        = file("${path.module}/bridge.yaml")
  image                         = var.image
  cluster_arn                   = var.cluster_arn
  vpc_id                        = var.vpc_id
  subnet_ids                    = var.subnet_ids
  envoy_security_group_ids      = { envoys = var.envoy_security_group_id }
  prometheus_security_group_ids = var.prometheus_security_group_id == null ? {} : { prometheus = var.prometheus_security_group_id }
  cloud_map_namespace           = var.cloud_map_namespace
}

output "bootstrap" {
  description = "How each Envoy's bootstrap is made."
  value       = "xds-bridge bootstrap --from-ecs-metadata --cluster edge --listen 0.0.0.0:8080 --route /=web ${join(" ", [for address in module.xds_bridge.xds : "--bridge ${address}"])}"
}
