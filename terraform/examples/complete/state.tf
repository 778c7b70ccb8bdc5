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
