"""Restore drills: the latest snapshot of a database restored to a scratch instance, looked through, and removed.

Where a drill is, is found by looking: the record says which one has begun and what came of the last, AWS whether its
instance is there and since which drill, the Job what the look through found.
"""
