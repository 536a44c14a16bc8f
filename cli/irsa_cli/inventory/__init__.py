"""The subcommand `inventory`: who may assume what, as clusters and AWS accounts are now."""
