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
  config                   = file("../../examples/ecs/bridge.yaml")
  image                    = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/xds-bridge:0.1.0"
  cluster_arn              = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
  vpc_id                   = "vpc-1"
  subnet_ids               = ["subnet-a", "subnet-b"]
  envoy_security_group_ids = { edge = "sg-edge" }
}

run "a_service_of_one_task_in_each_zone" {
  command = plan

  assert {
    condition     = length(aws_ecs_service.this) == 2 && alltrue([for each in aws_ecs_service.this : each.desired_count == 1])
    error_message = "There are two services, of one task each."
  }
  assert {
    condition     = toset([for each in aws_ecs_service.this : one(one(each.network_configuration).subnets)]) == toset(["subnet-a", "subnet-b"])
    error_message = "Each is in a zone of its own."
  }
  assert {
    condition     = alltrue([for each in module.replica : each.environment.API_BUDGET == "2.5"])
    error_message = "They share what may be asked of AWS."
  }
}

run "three_share_two_zones" {
  command = plan
  variables {
    replicas = 3
  }
  assert {
    condition     = one(one(aws_ecs_service.this["3"].network_configuration).subnets) == "subnet-a"
    error_message = "The third begins anew."
  }
}

run "a_cluster_is_named_by_its_arn" {
  command = plan
  variables {
    cluster_arn = "prod"
  }
  expect_failures = [var.cluster_arn]
}

run "an_image_has_a_version" {
  command = plan
  variables {
    image = "xds-bridge:latest"
  }
  expect_failures = [var.image]
}
