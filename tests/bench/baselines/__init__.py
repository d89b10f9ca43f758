"""What the app is compared with, each written from what it is said to do: one worker, the same server settings."""
