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
  description = "Further files below /etc/xds-bridge, text by path, such as endpoints.yaml. No secrets: they are part of the launch template."
  type        = map(string)
  default     = {}
}

variable "secret_files" {
  description = "Secrets as files below /etc/xds-bridge, ARN by path, such as credentials/tls.key: of Secrets Manager (with :KEY:: behind it for one key of many), or of a parameter of Systems Manager. Fetched at the start and every quarter of an hour."
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

variable "image_id" {
  description = "The AMI: Debian 12, Amazon Linux 2023, or another one with systemd 247 or newer and cloud-init."
  type        = string
  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "image_id is that of an AMI, such as ami-0123456789abcdef0."
  }
}

variable "root_device_name" {
  description = "The device that the AMI starts from: /dev/xvda, or /dev/sda1 with some."
  type        = string
  default     = "/dev/xvda"
}

variable "instance_type" {
  description = "The bridge uses one core at most, and some 300 MB; see docs/performance.md."
  type        = string
  default     = "t3.small"
}

variable "release_url" {
  description = "Where the instances fetch the source distribution of xds-bridge (xds_bridge-VERSION.tar.gz)."
  type        = string
  validation {
    condition     = can(regex("^https?://[^' ]+[.]tar[.]gz([?][^' ]*)?$", var.release_url))
    error_message = "release_url is the URL of a source distribution, such as https://example.com/xds_bridge-0.1.0.tar.gz."
  }
}

variable "release_sha256" {
  description = "Its SHA-256, in hexadecimal: what the instances install is this file, or nothing."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release_sha256))
    error_message = "release_sha256 has 64 hexadecimal digits; sha256sum prints it."
  }
}

variable "pip_index_url" {
  description = "Where pip finds packages; each is checked by its hash."
  type        = string
  default     = null
  validation {
    condition     = var.pip_index_url == null || can(regex("^https?://[^' ]+$", var.pip_index_url))
    error_message = "pip_index_url is a URL."
  }
}

variable "replicas" {
  description = "How many bridges, each in a group of one instance in a subnet of its own."
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

variable "vpc_id" {
  description = "The VPC of bridges and Envoys."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone; replicas go to one after the other. They need a way to ECS, EC2, SQS, the release and the package index."
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
