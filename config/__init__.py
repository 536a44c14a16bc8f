"""Settings of a stack file: models, loading and the explanation of mistakes."""
