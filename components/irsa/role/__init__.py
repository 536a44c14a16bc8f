"""What a role to create is made of: each part from the arguments that were read."""
