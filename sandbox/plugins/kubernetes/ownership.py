"""Who owns which field of an object (`metadata.managedFields`)."""

from typing import Any

from sandbox.plugins.serving import Plain

# Whose fields the plugin takes over before it applies to an object that it manages, by the beginning of the manager's
# name: those of kubectl under all its names, and of the plugin's creation, which was no apply.
_TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)


def _is_taken_over(entry: Plain) -> bool:
    return not entry.get("subresource") and any(
        entry["manager"].startswith(manager) and entry["operation"] == operation for manager, operation in _TAKEN_OVER
    )


def _merged(left: Any, right: Any) -> Any:
    return {
        key: _merged(left.get(key, {}), right.get(key, {}))
        for key in [*left, *(key for key in right if key not in left)]
    }


def taking_over(live: Plain, field_manager: str) -> list[Plain]:
    """Return the JSON patch by which `field_manager` owns what kubectl and the creation set; none if nothing does."""
    entries: list[Plain] = live["metadata"].get("managedFields") or []
    taken = [entry for entry in entries if _is_taken_over(entry)]
    if not taken:
        return []
    ours = [entry for entry in entries if entry["manager"] == field_manager and entry["operation"] == "Apply"]
    merged = {**(ours or taken)[0], "manager": field_manager, "operation": "Apply"}
    for entry in [*ours, *taken]:
        merged["fieldsV1"] = _merged(merged["fieldsV1"], entry["fieldsV1"])
    others = [entry for entry in entries if entry not in taken and entry not in ours]
    return [{"op": "replace", "path": "/metadata/managedFields", "value": [*others, merged]}]


def is_untracked(live: Plain) -> bool:
    """Return whether no field of the object has a manager."""
    return not live["metadata"].get("managedFields")


def has_fields_of_the_creation(live: Plain) -> bool:
    """Return whether fields still belong to the creation by this provider, which is no apply."""
    creation = {("pulumi-kubernetes", "Update"), ("pulumi-resource-kubernetes", "Update")}
    return any((each["manager"], each["operation"]) in creation for each in live["metadata"].get("managedFields") or [])
