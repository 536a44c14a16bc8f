"""What the stack's program makes of its settings."""
