"""The `irsa` command: subcommands that compare what a stack declares with what AWS and Kubernetes have."""
