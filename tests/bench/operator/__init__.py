"""The operator's gates: hundreds of objects on a real API server and the emulated AWS."""
