"""`irsa verify`: what a stack declares, compared with what AWS and Kubernetes have now."""
