"""The program of the stack: look-ups, the plan, and the resources."""
