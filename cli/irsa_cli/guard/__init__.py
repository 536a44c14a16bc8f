"""The guard of a stack, as its clusters have it now: who is guarded, whether it is as declared, who may change it."""
