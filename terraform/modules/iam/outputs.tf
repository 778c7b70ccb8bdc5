output "role_arn" {
  description = "For the task definition, or for whoever else takes the role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "To attach further policies to."
  value       = aws_iam_role.this.name
}

output "instance_profile_name" {
  description = "For a launch template; null for tasks."
  value       = one(aws_iam_instance_profile.this[*].name)
}

output "policy_json" {
  description = "What it may do."
  value       = data.aws_iam_policy_document.read.json
}
