"""What stacks are called, and which subcommands are of a checkout's own stack files."""

# https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
LONGEST_STACK = 100
# What does the same in a program of one's own.
OF_A_CHECKOUT = {
    "check": "`pulumi preview` checks the component, then run `irsa diff` and `irsa verify`",
    "stacks": "run `pulumi stack ls`",
}
