"""Who is asking: sessions of people, keys of devices."""
