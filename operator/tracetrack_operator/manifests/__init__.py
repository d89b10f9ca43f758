"""What builders of child objects share: names, labels, owner references, pod security, Secrets, policies."""
