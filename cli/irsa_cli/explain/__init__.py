"""`irsa explain`: whether a service account could assume a role, and why."""
