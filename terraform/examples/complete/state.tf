# Where the bridges keep what they know: a replica that is started anew goes on where the one before it was.

resource "aws_efs_file_system" "state" {
  #checkov:skip=CKV_AWS_184: Encrypted, with AWS's key: it holds addresses, and no secret.
  creation_token = "xds-bridge"
  encrypted      = true
  tags           = { Name = "xds-bridge" }
}

resource "aws_efs_mount_target" "state" {
  count           = length(var.subnet_ids)
  file_system_id  = aws_efs_file_system.state.id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.state.id]
}

# Without a policy, EFS lets in whoever reaches it; with this one, each replica by its own access point alone, and with TLS.
data "aws_iam_policy_document" "state" {
  statement {
    effect    = "Deny"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.state.arn]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Null"
      variable = "elasticfilesystem:AccessPointArn"
      values   = ["true"]
    }
  }
  statement {
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.state.arn]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_file_system_policy" "state" {
  file_system_id = aws_efs_file_system.state.id
  policy         = data.aws_iam_policy_document.state.json
}

resource "aws_security_group" "state" {
  name        = "xds-bridge-state"
  description = "xds-bridge: its state on EFS"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "state" {
  security_group_id            = aws_security_group.state.id
  description                  = "The bridges"
  referenced_security_group_id = module.xds_bridge.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}
