"""Which service account the add-ons of one role have."""

from collections.abc import Sequence

from irsa.add_ons.catalog import AddOn


def usual_subject(add_ons: Sequence[AddOn]) -> tuple[str, str] | None:
    """Return namespace and name of the service account that the charts of all these add-ons make; None of several."""
    found = {(each.namespace, each.service_account) for each in add_ons}
    return found.pop() if len(found) == 1 else None
