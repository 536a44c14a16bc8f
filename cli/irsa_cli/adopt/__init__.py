"""`irsa adopt`: from what is in AWS and Kubernetes to a stack file that imports it without a change."""
