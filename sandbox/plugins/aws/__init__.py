"""A stand-in for the official AWS plugin: IAM's resource types, a bucket, and the look-ups that go with them."""
