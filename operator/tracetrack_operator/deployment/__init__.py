"""TraceTrackDeployment: observe, desired (one builder per child object), plan, status, and the conductor."""
