variable "region" {
  description = "Where everything is."
  type        = string
}

variable "image" {
  description = "The image of xds-bridge in your registry, by its digest."
  type        = string
}

variable "cluster_arn" {
  description = "The ECS cluster that the bridges run in."
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

variable "cloud_map_namespace" {
  description = "A private DNS namespace of Cloud Map in the VPC; without one there is a load balancer."
  type        = object({ id = string, name = string })
  default     = null
}
