"""Major upgrades of an RDS instance: by a blue/green deployment, which makes the new version beside the old one."""
