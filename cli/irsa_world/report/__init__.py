"""What the subcommands report: one module per form."""
