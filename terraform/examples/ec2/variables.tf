variable "region" {
  description = "Where everything is."
  type        = string
}

variable "image_id" {
  description = "An AMI of Debian 12 or Amazon Linux 2023."
  type        = string
}

variable "release_url" {
  description = "Where the instances fetch xds_bridge-VERSION.tar.gz, which `make build` makes."
  type        = string
}

variable "release_sha256" {
  description = "Its SHA-256."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of bridges and Envoys."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in two zones."
  type        = list(string)
}

variable "envoy_security_group_id" {
  description = "The security group of the Envoys."
  type        = string
}

variable "prometheus_security_group_id" {
  description = "The security group of Prometheus, where there is one."
  type        = string
  default     = null
}

variable "tls_secret_arn" {
  description = "A secret of Secrets Manager with the keys certificate (for the name xds-bridge), private_key and client_ca, in PEM."
  type        = string
}
