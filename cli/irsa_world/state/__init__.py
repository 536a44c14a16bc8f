"""What a stack has, as `pulumi` exports it."""
