"""The stack file: models, loading, and messages about mistakes."""
