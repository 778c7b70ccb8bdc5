variable "name" {
  description = "Name of the queue; rules and the dead-letter queue begin with it. A queue for each source of each replica, such as xds-bridge-1-ecs."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,54}$", var.name))
    error_message = "name has letters, digits, - and _, 54 of them at most: AWS allows 64 for the rules, whose names begin with it."
  }
}

variable "kind" {
  description = "What the source reads: ecs or ec2."
  type        = string
  validation {
    condition     = contains(["ecs", "ec2"], var.kind)
    error_message = "kind is ecs or ec2, the type of the source that reads the queue."
  }
}

variable "cluster_arns" {
  description = "With kind ecs, the clusters whose tasks are read; all of the region when empty."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.cluster_arns : can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/.+$", arn))])
    error_message = "cluster_arns are ARNs of ECS clusters, such as arn:aws:ecs:eu-west-1:123456789012:cluster/prod."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
