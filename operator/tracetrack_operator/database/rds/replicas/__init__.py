"""Read replicas of a DB instance: made, kept as declared, read from, removed."""
