"""The types of the values of a stack file, by their places."""

from typing import Any, get_args

from irsa.keys.binding import is_model, unwrapped
from irsa.rules.mistakes import Place
from irsa_config.models import StackKeys


def type_at(place: Place) -> Any:
    """Return the type of the value at a place in `irsa:`: `Any` in documents, None at an unknown key."""
    found: Any = StackKeys
    for part in place:
        found = _inner_type(found, part)
    return getattr(found, "__origin__", found)


def _inner_type(outer: Any, part: str | int) -> Any:
    if is_model(outer):
        key = next((key for key in outer.model_fields.values() if key.alias == part), None)
        return unwrapped(key.annotation)[0] if key else None
    inner = get_args(outer)
    return unwrapped(inner[-1])[0] if inner else outer if outer is Any else None


def keys_at(place: Place) -> list[str]:
    """Return the keys that a mapping at this place may have, in alphabetical order."""
    model = type_at(place)
    return sorted(str(key.alias) for key in model.model_fields.values()) if is_model(model) else []
