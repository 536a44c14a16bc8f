"""The subcommand `irsa prove`."""
