"""The `irsa` command: verbs that compare what a stack declares with what AWS and Kubernetes have."""
