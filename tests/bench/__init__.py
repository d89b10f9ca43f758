"""Benchmarks: they print what they measured beside what is asked for, and write `.bench/NAME.json`."""
