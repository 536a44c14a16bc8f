"""The local cloud of the dev stack. The product imports nothing from here."""
