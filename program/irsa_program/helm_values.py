"""The Helm values of a binding whose service account a chart creates, or of an add-on's chart."""

from typing import Any

from irsa.add_ons.catalog import add_on
from irsa.add_ons.helm_values import helm_values
from irsa.add_ons.parameters import PARAMETERS
from irsa.rules.subjects import is_pattern
from irsa_program.arguments import PlannedBinding


def of_binding(planned: PlannedBinding, annotations: Any) -> Any:
    """Return the values, for an add-on that names its cluster by the name of each; None where there are none.

    Args:
        planned: The binding.
        annotations: Those of its service account, which may be an output.
    """
    account = planned.args.get("service_account")
    of_add_ons = [*planned.args.get("policies", ()), planned.args.get("policy", {})]
    settings = [each for each in of_add_ons if "add_on" in each]
    one = add_on(settings[0]["add_on"]) if len(settings) == 1 else None
    if one is None or not one.helm_values:
        return {"serviceAccount": {"create": True, "annotations": annotations}} if account is None else None
    subjects = planned.args.get("trust", {}).get("subjects", ())
    # The only one that the role trusts; a pattern names nobody.
    subject = subjects[0] if len(subjects) == 1 and not is_pattern(subjects[0]) else None
    namespace, name = subject.split(":") if subject else (one.namespace, one.service_account)
    values: dict[str, Any] = {
        "create": account is None,
        "namespace": account["namespace"] if account else namespace,
        "service_account_name": account["name"] if account else name,
        "annotations": annotations,
    }
    values |= {
        name: [kind.value(each) for each in settings[0][name]]
        for name, kind in PARAMETERS.items()
        if name in settings[0]
    }
    of_clusters = {
        name: helm_values(one.helm_values, {**values, "cluster_name": name}) for name in planned.cluster_names
    }
    names_its_cluster = "${clusterName}" in str(one.helm_values)
    return of_clusters if names_its_cluster and len(of_clusters) > 1 else next(iter(of_clusters.values()))
