"""What stacks are called."""

# https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
LONGEST_STACK = 100
