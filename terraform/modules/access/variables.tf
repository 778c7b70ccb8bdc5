variable "name" {
  description = "What the names of everything begin with."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,21}[a-z0-9]$", var.name))
    error_message = "name has lower-case letters, digits and -, begins with a letter, and has 23 characters at most: AWS allows 32 for a load balancer, and more is added to it."
  }
}

variable "replicas" {
  description = "How many bridges there are."
  type        = number
  validation {
    condition     = var.replicas >= 1 && var.replicas <= 6 && floor(var.replicas) == var.replicas
    error_message = "replicas is a whole number from 1 to 6. Two are enough: Envoys keep what they have while one is away."
  }
}

variable "vpc_id" {
  description = "The VPC of bridges and Envoys."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids is not empty: name a private subnet for each zone."
  }
}

variable "envoy_security_group_ids" {
  description = "Security groups of the Envoys, by any name."
  type        = map(string)
  validation {
    condition     = length(var.envoy_security_group_ids) > 0
    error_message = "envoy_security_group_ids names at least one group: nobody else is let in at port 18000."
  }
}

variable "prometheus_security_group_ids" {
  description = "Security groups of the Prometheus servers, by any name."
  type        = map(string)
  validation {
    condition     = alltrue([for id in values(var.prometheus_security_group_ids) : id != null])
    error_message = "prometheus_security_group_ids has no null in it: leave that one out."
  }
}

variable "peers" {
  description = "Whether the replicas compare what they serve (admin.peers)."
  type        = bool
}

variable "egress" {
  description = "Whom the bridges reach, by what it is."
  type = map(object({
    port              = number
    cidr              = optional(string)
    security_group_id = optional(string)
    prefix_list_id    = optional(string)
  }))
  validation {
    condition = alltrue([
      for each in var.egress : length(compact([each.cidr, each.security_group_id, each.prefix_list_id])) == 1
    ])
    error_message = "Each of egress has a port, and one of cidr, security_group_id and prefix_list_id."
  }
  validation {
    condition     = alltrue([for name in keys(var.egress) : can(regex("^[A-Za-z0-9 ._:/()#,@+=&;*-]{1,200}$", name))])
    error_message = "What egress is for becomes the description of a rule: letters, digits, spaces and ._:/()#,@+=&;*- alone."
  }
}

variable "load_balancer" {
  description = "Whether there is an internal network load balancer before the replicas, with a port for each from 18000 on."
  type        = bool
}

variable "target_type" {
  description = "What the load balancer forwards to: ip for tasks, instance for instances."
  type        = string
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
}
