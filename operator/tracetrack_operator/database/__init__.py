"""The PostgreSQL of a deployment: one module per provider, all ending in the same binding."""
