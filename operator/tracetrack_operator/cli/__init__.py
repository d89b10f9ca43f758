"""`kubectl tracetrack`: what an operator of TraceTracks asks and does at a terminal."""
