"""What the verbs report: one module per form."""
