# One replica of xds-bridge: its role, its queues, and the variables that its configuration refers to. For the modules ecs and
# ec2; what the sources need is taken from the configuration itself, so that the two cannot differ.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.32"
    }
  }
}

data "aws_region" "current" {}

locals {
  region  = data.aws_region.current.id
  sources = [for each in yamldecode(var.config).sources : each if contains(["ecs", "ec2"], try(each.type, ""))]
  ecs     = [for each in local.sources : each if each.type == "ecs"]
  ec2     = [for each in local.sources : each if each.type == "ec2"]
  elsewhere = [
    for each in local.sources : each.name
    if length(setsubtract(try(each.regions, [try(each.region, "$${AWS_REGION}")]), [local.region, "$${AWS_REGION}"])) > 0
  ]
  queues = { for each in local.sources : each.name => each if can(each.events) }
  variables = {
    for name in keys(local.queues) : name => "QUEUE_${upper(replace(name, "/[^A-Za-z0-9]/", "_"))}"
  }
  # A source that names no cluster reads all of them.
  clusters = anytrue([for each in local.ecs : !can(each.clusters)]) ? [] : distinct(flatten(local.ecs[*].clusters))
}

module "events" {
  source   = "../events"
  for_each = local.queues
  name     = "${var.name}-${each.key}"
  kind     = each.value.type
  # A rule that names some clusters by their ARNs would be deaf to those that are named otherwise.
  cluster_arns = alltrue([for cluster in try(each.value.clusters, []) : startswith(cluster, "arn:")]) ? try(each.value.clusters, []) : []
  tags         = var.tags
}

module "iam" {
  source               = "../iam"
  name                 = var.name
  region               = local.region
  service              = var.service
  ecs                  = length(local.ecs) > 0
  ecs_clusters         = local.clusters
  ec2                  = length(local.ec2) > 0
  autoscaling          = anytrue([for each in local.ec2 : try(each.autoscaling, false)])
  zone_ids             = anytrue([for each in local.sources : try(each.zone_ids, false)])
  public_addresses     = anytrue([for each in local.ecs : try(each.address, "") == "public"])
  queue_arns           = [for each in module.events : each.queue_arn]
  assume_role_arns     = distinct(flatten([for each in local.sources : [for account in try(each.accounts, []) : account.assume_role if can(account.assume_role)]]))
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}
