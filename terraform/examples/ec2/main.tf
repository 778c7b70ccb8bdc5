# Two bridges on instances of EC2 that read tagged instances, behind a network load balancer with a port for each.

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
  source                        = "../../modules/ec2"
  config                        = file("${path.module}/bridge.yaml")
  image_id                      = var.image_id
  release_url                   = var.release_url
  release_sha256                = var.release_sha256
  vpc_id                        = var.vpc_id
  subnet_ids                    = var.subnet_ids
  envoy_security_group_ids      = { envoys = var.envoy_security_group_id }
  prometheus_security_group_ids = var.prometheus_security_group_id == null ? {} : { prometheus = var.prometheus_security_group_id }
  secret_files = {
    "credentials/tls.crt" = "${var.tls_secret_arn}:certificate::"
    "credentials/tls.key" = "${var.tls_secret_arn}:private_key::"
    "credentials/ca.crt"  = "${var.tls_secret_arn}:client_ca::"
  }
}

output "bootstrap" {
  description = "How each Envoy's bootstrap is made."
  value = join(" ", concat(
    ["xds-bridge bootstrap --from-imds --cluster edge --listen 0.0.0.0:8080 --route /=web"],
    ["--tls-certificate /etc/envoy/tls.crt --tls-key /etc/envoy/tls.key --tls-ca /etc/envoy/ca.crt --tls-server-name xds-bridge"],
    [for address in module.xds_bridge.xds : "--bridge ${address}"],
  ))
}
