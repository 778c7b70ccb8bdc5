output "security_group_id" {
  description = "The security group of the bridges."
  value       = aws_security_group.bridge.id
}

output "target_group_arns" {
  description = "The target group of each replica; empty without a load balancer."
  value       = { for each, group in aws_lb_target_group.this : each => group.arn }
  # ECS and Auto Scaling refuse one that no listener forwards to.
  depends_on = [aws_lb_listener.this]
}

output "addresses" {
  description = "The address of each replica at the load balancer, for Envoy's bootstrap; empty without one."
  value       = { for each in local.balanced : each => "${aws_lb.this[0].dns_name}:${local.ports[each]}" }
}
