"""What AWS and Kubernetes have now, compared with the plan: what `pulumi up` would refuse, or take from Pods."""
