"""A whole TraceTrack on a kind cluster: what `make demo` does, and what the e2e suite stands on."""
