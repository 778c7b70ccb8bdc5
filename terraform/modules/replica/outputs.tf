output "role" {
  description = "Its role."
  value       = { name = module.iam.role_name, arn = module.iam.role_arn, instance_profile = module.iam.instance_profile_name }
}

output "policy_json" {
  description = "What it may read."
  value       = module.iam.policy_json
}

output "environment" {
  description = "The variables that its configuration may refer to."
  value = merge(
    { AWS_REGION = local.region, REPLICA = var.name, API_BUDGET = tostring(var.api_budget) },
    { for name, variable in local.variables : variable => module.events[name].queue_url },
  )
  precondition {
    condition     = length(local.elsewhere) == 0
    error_message = "These sources of config are not in ${local.region}, where the bridge is: ${join(", ", local.elsewhere)}. Make role and queues for them with the modules iam and events."
  }
}

output "dead_letter_queue_urls" {
  description = "What could not be applied, by source: a sign of a missing permission."
  value       = { for name, events in module.events : name => events.dead_letter_queue_url }
}
