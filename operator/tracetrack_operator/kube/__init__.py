"""Kubernetes as the operator sees it: kinds, a client behind a small port, comparison, watches."""
