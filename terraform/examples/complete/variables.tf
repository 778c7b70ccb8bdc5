variable "region" {
  description = "Where everything is."
  type        = string
}

variable "image" {
  description = "The image of xds-bridge in your registry, by its digest."
  type        = string
}

variable "envoy_image" {
  description = "The image of Envoy in your registry, by its digest."
  type        = string
}

variable "cluster_arn" {
  description = "The ECS cluster that bridges and Envoys run in."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of all of it."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in two zones."
  type        = list(string)
}

variable "prometheus_security_group_id" {
  description = "The security group of Prometheus, where there is one."
  type        = string
  default     = null
}

variable "consul" {
  description = "The agent that is asked, and the security group that it is in."
  type        = object({ address = string, security_group_id = string })
}

variable "secret_arns" {
  description = "Secrets of Secrets Manager: bridge and envoy with the keys certificate, private_key and ca, in PEM (that of bridge for xds-bridge-1.mesh.internal and xds-bridge-2.mesh.internal); consul with the ACL token."
  type        = object({ bridge = string, envoy = string, consul = string })
}
