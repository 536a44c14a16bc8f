"""The subcommand diff: what a preview would change, in words, and who gains or loses the right to assume a role."""
