variable "name" {
  description = "What the names of everything begin with; replicas are called NAME-1, NAME-2 … Roles are for all regions of an account, so each region needs another name."
  type        = string
  default     = "xds-bridge"
}

variable "config" {
  description = "The text of bridge.yaml. It may refer to $${REPLICA}, $${AWS_REGION}, $${API_BUDGET}, $${QUEUE_NAME} for a source NAME with events, and what environment has. Role and queues are made from it."
  type        = string
}

variable "files" {
  description = "Further files below /etc/xds-bridge, text by path, such as endpoints.yaml. No secrets: they are part of the task definition."
  type        = map(string)
  default     = {}
}

variable "secret_files" {
  description = "Secrets as files below /etc/xds-bridge, ARN by path, such as credentials/tls.key: of Secrets Manager (with :KEY:: behind it for one key of many), or of a parameter of Systems Manager. Read when a task starts."
  type        = map(string)
  default     = {}
}

variable "secret_kms_key_arns" {
  description = "Keys of KMS that secrets are encrypted with, where these are not AWS's own."
  type        = list(string)
  default     = []
}

variable "environment" {
  description = "Further variables that config refers to. No secrets."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name, value in var.environment : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !can(regex("[[:cntrl:]]", value))])
    error_message = "environment has names of letters, digits and _, and values of one line."
  }
}

variable "image" {
  description = "The image of xds-bridge, best by its digest."
  type        = string
  validation {
    condition     = can(regex("^([^@]*/)?[^/:@]+(:[^/:@]+)?(@sha256:[0-9a-f]{64})?$", var.image)) && can(regex("(:[^/]+|@[^/]+)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image has a tag or a digest, and not latest: a task that is started anew must be the same bridge as before."
  }
}

variable "replicas" {
  description = "How many bridges, each a service of one task in a subnet of its own."
  type        = number
  default     = 2
}

variable "api_budget" {
  description = "Calls of AWS per second in one account and region, of all replicas together."
  type        = number
  default     = 5
  validation {
    condition     = var.api_budget >= 1 && var.api_budget <= 100
    error_message = "api_budget is from 1 to 100 calls a second; AWS refills about 20 for an account."
  }
}

variable "cluster_arn" {
  description = "The ECS cluster that the bridges run in."
  type        = string
  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/.+$", var.cluster_arn))
    error_message = "cluster_arn is the ARN of an ECS cluster, such as arn:aws:ecs:eu-west-1:123456789012:cluster/prod."
  }
}

variable "launch_type" {
  description = "FARGATE, or EC2 for the cluster's own instances."
  type        = string
  default     = "FARGATE"
  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "launch_type is FARGATE or EC2."
  }
}

variable "cpu" {
  description = "CPU units of a task, 1024 for a core. The bridge uses one core at most."
  type        = number
  default     = 512
  validation {
    condition     = contains([256, 512, 1024, 2048], var.cpu)
    error_message = "cpu is 256, 512, 1024 or 2048, as Fargate has it; the bridge does not use more than one core."
  }
}

variable "memory" {
  description = "MiB of memory of a task; see docs/performance.md."
  type        = number
  default     = 1024
  validation {
    condition     = var.memory >= 512 && var.memory <= 16384
    error_message = "memory is from 512 to 16384 MiB."
  }
}

variable "cpu_architecture" {
  description = "That of the image: X86_64 or ARM64."
  type        = string
  default     = "X86_64"
  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture is X86_64 or ARM64."
  }
}

variable "vpc_id" {
  description = "The VPC of bridges and Envoys."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone; replicas go to one after the other. They need a way to ECS, EC2, SQS, the registry of images and the log: a NAT gateway or VPC endpoints."
  type        = list(string)
}

variable "envoy_security_group_ids" {
  description = "Security groups of the Envoys, by any name: who may reach port 18000."
  type        = map(string)
}

variable "prometheus_security_group_ids" {
  description = "Security groups of the Prometheus servers, by any name: who may reach port 19000."
  type        = map(string)
  default     = {}
}

variable "peers" {
  description = "Whether replicas may reach each other at port 19000, for admin.peers. They find each other by cloud_map_namespace."
  type        = bool
  default     = false
}

variable "egress" {
  description = "Whom the bridges reach, by what it is: a port, and one of cidr, security_group_id and prefix_list_id."
  type = map(object({
    port              = number
    cidr              = optional(string)
    security_group_id = optional(string)
    prefix_list_id    = optional(string)
  }))
  default = {
    "HTTPS, to AWS" = { port = 443, cidr = "0.0.0.0/0" }
  }
}

variable "cloud_map_namespace" {
  description = "A private DNS namespace of Cloud Map, in which each replica gets a name. Without one there is an internal network load balancer."
  type        = object({ id = string, name = string })
  default     = null
}

variable "efs" {
  description = "A file system of EFS on which state_directory outlives a task, and the security group of its mount targets; on the task's own disk otherwise. Its policy should let nobody in but by an access point: see the example complete."
  type        = object({ file_system_id = string, security_group_id = string })
  default     = null
}

variable "execute_command" {
  description = "Whether operators reach the bridge by `aws ecs execute-command` (xds-bridge status, guard, pause …). ECS cannot do it with a read-only root, so this gives that up."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 …"
  }
}

variable "log_kms_key_arn" {
  description = "A key of KMS for the log; CloudWatch's own encryption otherwise."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "ARN of a policy beyond which no role goes."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
