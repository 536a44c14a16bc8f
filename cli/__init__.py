"""The irsa command."""
