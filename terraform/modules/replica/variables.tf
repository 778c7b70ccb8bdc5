variable "name" {
  description = "Name of the replica; that of its role, and what the names of its queues begin with."
  type        = string
}

variable "config" {
  description = "The text of its bridge.yaml."
  type        = string
  validation {
    condition     = can(yamldecode(var.config).sources[0].name)
    error_message = "config is the text of a bridge.yaml, such as file(\"bridge.yaml\"): YAML with at least one source. `xds-bridge check` says more."
  }
  validation {
    condition     = endswith(try(yamldecode(var.config).xds.listen, ""), ":18000") && endswith(try(yamldecode(var.config).admin.listen, ""), ":19000")
    error_message = "config has xds: {listen: 0.0.0.0:18000} and admin: {listen: 0.0.0.0:19000}: these are the ports that are let in."
  }
  validation {
    condition     = !can(regex("^(127[.]|localhost|\\[::1\\])", try(yamldecode(var.config).xds.listen, ""))) && (can(yamldecode(var.config).xds.tls) || try(yamldecode(var.config).xds.insecure, false) == true)
    error_message = "config has xds.listen beyond loopback, where Envoys are, and xds.tls or xds: {insecure: true}."
  }
  validation {
    condition = alltrue([
      for each in try(yamldecode(var.config).sources, []) :
      try(tostring(each.api_budget), "") == "$${API_BUDGET}" if contains(["ecs", "ec2"], try(each.type, ""))
    ])
    error_message = "Each source of config in ECS or EC2 has api_budget: $${API_BUDGET}, which is what its replicas may ask AWS for, divided among them."
  }
  validation {
    condition = alltrue([
      for each in try(yamldecode(var.config).sources, []) :
      try(each.events.queue, "") == "$${QUEUE_${upper(replace(each.name, "/[^A-Za-z0-9]/", "_"))}}" if can(each.events)
    ])
    error_message = "A source of config with events has events: {queue: $${QUEUE_NAME}}, with its own name in capitals and _ for other characters (tasks: $${QUEUE_TASKS}): each replica has a queue of its own."
  }
}

variable "files" {
  description = "Further files, text by their path below /etc/xds-bridge."
  type        = map(string)
  validation {
    condition     = alltrue([for path in keys(var.files) : can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$", path))])
    error_message = "Paths of files are relative to /etc/xds-bridge, such as endpoints.yaml, without .. in them."
  }
  validation {
    condition     = !contains(keys(var.files), "bridge.yaml")
    error_message = "files does not have bridge.yaml, which is given by config."
  }
}

variable "service" {
  description = "Who takes its role: see the module iam."
  type        = string
}

variable "api_budget" {
  description = "Calls of AWS per second in one account and region that this replica may make."
  type        = number
}

variable "permissions_boundary" {
  description = "ARN of a policy beyond which its role never goes."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
