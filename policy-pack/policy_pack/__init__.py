"""irsa's rules for roles that irsa did not make: what `__main__.py` gives to Pulumi as a policy pack."""
