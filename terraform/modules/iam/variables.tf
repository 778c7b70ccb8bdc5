variable "name" {
  description = "Name of the role, and of the instance profile where there is one."
  type        = string
  default     = "xds-bridge"
  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "name is that of an IAM role: letters, digits and + = , . @ _ -, 64 of them at most."
  }
}

variable "region" {
  description = "The region whose endpoints are read; calls in another one are refused."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is one of AWS, such as eu-west-1."
  }
}

variable "service" {
  description = "Who has the role: ecs-tasks.amazonaws.com for a task, ec2.amazonaws.com for an instance, which gets a profile too."
  type        = string
  validation {
    condition     = contains(["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"], var.service)
    error_message = "service is ecs-tasks.amazonaws.com or ec2.amazonaws.com: where the bridge runs."
  }
}

variable "ecs" {
  description = "Whether it reads ECS."
  type        = bool
  default     = false
}

variable "ecs_clusters" {
  description = "The clusters it reads, by name or ARN; all of the region when empty."
  type        = list(string)
  default     = []
}

variable "ec2" {
  description = "Whether it reads instances of EC2 by their tags."
  type        = bool
  default     = false
}

variable "autoscaling" {
  description = "Whether it asks Auto Scaling what it does with instances (autoscaling: true of a source of type ec2)."
  type        = bool
  default     = false
}

variable "zone_ids" {
  description = "Whether it reads the ids of zones (zone_ids: true of a source)."
  type        = bool
  default     = false
}

variable "public_addresses" {
  description = "Whether it reads the public addresses of tasks (address: public of a source of type ecs)."
  type        = bool
  default     = false
}

variable "queue_arns" {
  description = "The queues of events that it reads; see the module events."
  type        = list(string)
  default     = []
}

variable "assume_role_arns" {
  description = "Roles in other accounts that it reads these with."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.assume_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "assume_role_arns are ARNs of roles, such as arn:aws:iam::123456789012:role/xds-bridge-read."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy beyond which the role never goes."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
