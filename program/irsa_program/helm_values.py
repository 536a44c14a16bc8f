"""The Helm values of a binding whose service account a chart creates, or of an add-on's chart."""

from typing import Any

from irsa.add_ons.helm_values import helm_values
from irsa.add_ons.parameters import PARAMETERS
from irsa.role.add_ons import add_ons_of
from irsa.rules.leaves import strings_of
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import known_or
from irsa_config.lint.checked import CheckedBinding
from irsa_config.stack import Stack


def of_binding(planned: CheckedBinding, stack: Stack, annotations: Any) -> Any:
    """Return the values, for an add-on that names its cluster by the name of each; None where there are none.

    Args:
        planned: The binding.
        stack: The stack, with its clusters.
        annotations: Those of its service account, which may be an output.
    """
    declared, account = planned.declared, planned.declared.service_account
    add_ons = [*add_ons_of(declared)]
    _, settings, one = add_ons[0] if len(add_ons) == 1 else (None, None, None)
    if one is None or settings is None or not one.helm_values:
        return {"serviceAccount": {"create": True, "annotations": annotations}} if account is None else None
    subjects = strings_of(known_or(declared.trust.subjects, []))
    # The only one that the role trusts; a pattern names nobody.
    subject = subjects[0] if len(subjects) == 1 and not is_pattern(subjects[0]) else None
    namespace, name = subject.split(":") if subject else (one.namespace, one.service_account)
    values: dict[str, Any] = {
        "create": account is None,
        "namespace": account.namespace if account else namespace,
        "service_account_name": account.name if account else name,
        "annotations": annotations,
    }
    given = settings.written()
    values |= {name: [kind.value(each) for each in given[name]] for name, kind in PARAMETERS.items() if name in given}
    cluster_names = [stack.clusters_by_key[key].name or "" for key in stack.clusters_of(planned.binding)]
    of_clusters = {name: helm_values(one.helm_values, {**values, "cluster_name": name}) for name in cluster_names}
    names_its_cluster = "${clusterName}" in str(one.helm_values)
    return of_clusters if names_its_cluster and len(of_clusters) > 1 else next(iter(of_clusters.values()))
