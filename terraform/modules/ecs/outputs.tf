output "xds" {
  description = "Addresses of the replicas, for `xds-bridge bootstrap --bridge` of each Envoy."
  value = var.cloud_map_namespace == null ? values(module.access.addresses) : [
    for each in values(local.replicas) : "${each.name}.${var.cloud_map_namespace.name}:18000"
  ]
}

output "security_group_id" {
  description = "The security group of the bridges: let it in where sources are, such as at Consul."
  value       = module.access.security_group_id
}

output "policies" {
  description = "What each replica may read."
  value       = { for each, replica in local.replicas : replica.name => module.replica[each].policy_json }
}

output "dead_letter_queue_urls" {
  description = "What could not be applied of events, by replica and source: a sign of a missing permission."
  value       = { for each, replica in local.replicas : replica.name => module.replica[each].dead_letter_queue_urls }
}

output "log_group_name" {
  description = "Where the bridges log."
  value       = aws_cloudwatch_log_group.this.name
}
