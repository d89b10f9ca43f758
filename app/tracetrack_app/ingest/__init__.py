"""Ways a scan comes in; all end in `scans.submit`."""
