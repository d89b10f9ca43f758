"""TraceTrack operator: makes what custom resources declare true, and keeps it true."""

__version__ = "0.1.0"
