"""ScannerFleet: names, keys and certificates, AWS IoT things, slices, and the conduct of their lives."""
