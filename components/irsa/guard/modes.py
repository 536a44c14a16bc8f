"""The modes of the guard."""

from irsa.rules.mistakes import Mistake, nearest, shortened

MODES, EXCEPTIONS = ("warn", "deny"), ("off", "warn", "deny")


def check_mode(mode: str, allowed: tuple[str, ...] = MODES) -> str:
    """Return a mode of the guard.

    Raises:
        Mistake: There is none of that name.
    """
    if mode in allowed:
        return mode
    raise Mistake(shortened(mode), ", ".join(allowed), nearest(mode, allowed, f"write {' or '.join(allowed)}"))


def check_exception(mode: str) -> str:
    """Return a mode of the guard in one namespace, where it may be off.

    Raises:
        Mistake: There is none of that name.
    """
    return check_mode(mode, EXCEPTIONS)
