variable "role_names" {
  description = "The roles that fetch them, by any name."
  type        = map(string)
}

variable "secret_files" {
  description = "ARNs of secrets and parameters, by the path of the file below /etc/xds-bridge that they become."
  type        = map(string)
  validation {
    condition = alltrue([
      for arn in values(var.secret_files) :
      can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).", arn))
    ])
    error_message = "secret_files are ARNs of secrets (arn:aws:secretsmanager:…:secret:…) or of parameters (arn:aws:ssm:…:parameter/…), never the secret itself."
  }
  validation {
    condition     = alltrue([for path in keys(var.secret_files) : can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$", path))])
    error_message = "Paths of secret_files are relative to /etc/xds-bridge, such as credentials/tls.key, without .. in them."
  }
}

variable "kms_key_arns" {
  description = "Keys of KMS that they are encrypted with, where these are not AWS's own."
  type        = list(string)
  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))])
    error_message = "secret_kms_key_arns are ARNs of keys, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…; an alias is not enough for a policy."
  }
}
