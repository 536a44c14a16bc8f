"""What AWS and Kubernetes ask of the values: pure rules, without Pulumi, pydantic or I/O."""
