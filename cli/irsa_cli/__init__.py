"""The `irsa` command: verbs that hold what is declared against what AWS and Kubernetes have."""
