"""AWS as the operator sees it: one table of calls, paced clients, sorted errors, ownership tags."""
