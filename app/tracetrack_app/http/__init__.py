"""HTTP: the old contract, the v1 API, the pages, and who is asking."""
