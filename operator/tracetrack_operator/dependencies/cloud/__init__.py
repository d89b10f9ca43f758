"""A database or cache that is an object in AWS: what RDS and ElastiCache have in common."""
