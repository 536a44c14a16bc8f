"""Wildcards, stated by other means than those of the evaluator."""


def glob(pattern: str, text: str) -> bool:
    """Match by the set of pattern positions that can be reached: breadth first, unlike the evaluator."""
    reached = {0}
    for character in [*text, None]:
        stack = list(reached)
        while stack:  # a star may be skipped at no cost
            position = stack.pop()
            if pattern[position : position + 1] == "*" and position + 1 not in reached:
                reached.add(position + 1)
                stack.append(position + 1)
        if character is None:
            break
        reached = {p for p in reached if pattern[p : p + 1] == "*"} | {
            p + 1 for p in reached if pattern[p : p + 1] in ("?", character) and pattern[p : p + 1] != "*"
        }
    return len(pattern) in reached
