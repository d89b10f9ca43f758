"""What a deployment depends on: the provider protocol, and what the providers of database and cache share."""
