"""Two versions of a stack file, for `irsa diff OLD NEW`."""
