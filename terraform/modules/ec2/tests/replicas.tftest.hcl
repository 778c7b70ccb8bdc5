# `terraform init -backend=false && terraform test` in this module: no credentials are needed.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  config                   = file("../../examples/ec2/bridge.yaml")
  image_id                 = "ami-0123456789abcdef0"
  release_url              = "https://example.com/xds_bridge-0.1.0.tar.gz"
  release_sha256           = "0000000000000000000000000000000000000000000000000000000000000000"
  vpc_id                   = "vpc-1"
  subnet_ids               = ["subnet-a", "subnet-b"]
  envoy_security_group_ids = { edge = "sg-edge" }
}

run "a_group_of_one_instance_in_each_zone" {
  command = plan

  assert {
    condition     = alltrue([for each in aws_autoscaling_group.this : each.min_size == 1 && each.desired_capacity == 1])
    error_message = "Each group has one instance."
  }
  assert {
    condition     = toset(flatten([for each in aws_autoscaling_group.this : each.vpc_zone_identifier])) == toset(["subnet-a", "subnet-b"])
    error_message = "Each is in a zone of its own."
  }
  assert {
    condition     = alltrue([for each in aws_launch_template.this : one(each.metadata_options).http_tokens == "required"])
    error_message = "Nobody asks for credentials without a token."
  }
}

run "a_release_has_a_sum" {
  command = plan
  variables {
    release_sha256 = "latest"
  }
  expect_failures = [var.release_sha256]
}
