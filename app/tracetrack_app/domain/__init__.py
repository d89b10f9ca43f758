"""What TraceTrack knows: codes, outcomes, device keys. No I/O."""
