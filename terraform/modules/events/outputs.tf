output "queue_url" {
  description = "For events.queue of the source."
  value       = aws_sqs_queue.this.url
}

output "queue_arn" {
  description = "For queue_arns of the module iam."
  value       = aws_sqs_queue.this.arn
}

output "dead_letter_queue_url" {
  description = "What could not be applied ten times: a sign of a missing permission."
  value       = aws_sqs_queue.dead.url
}
