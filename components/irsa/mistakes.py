"""What is wrong with a value, in the shape that every message of irsa has."""


class Mistake(ValueError):
    """A value that AWS, Kubernetes or irsa would refuse.

    Attributes:
        found: What was found.
        allowed: What is allowed, with the source of the rule where it helps.
        fix: What to do about it.
    """

    def __init__(self, found: str, allowed: str, fix: str) -> None:
        """Keep the three parts, so that a caller can print them with the place."""
        super().__init__(f"{found}; allowed: {allowed}; {fix}")
        self.found = found
        self.allowed = allowed
        self.fix = fix
