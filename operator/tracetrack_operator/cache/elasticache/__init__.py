"""Amazon ElastiCache for Valkey."""

from .provider import ElastiCache

__all__ = ["ElastiCache"]
