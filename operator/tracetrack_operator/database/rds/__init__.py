"""Amazon RDS for PostgreSQL."""

from .provider import RDS

__all__ = ["RDS"]
