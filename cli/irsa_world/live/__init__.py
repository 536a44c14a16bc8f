"""What AWS and Kubernetes have now."""
