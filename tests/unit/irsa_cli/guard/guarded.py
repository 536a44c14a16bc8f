"""A guard as its component records it in a state, and a cluster that has it, as the API server returns objects."""

import copy
from typing import Any

from irsa_world.exits import NoPermissionError
from irsa_world.live.kubernetes import NoSuchKindError
from irsa_world.state.declared import DeclaredGuard

ROLE = "arn:aws:iam::111122223333:role/app"
DATA = {"web.app": f"irsa sts.amazonaws.com {ROLE}", "kube-system.aws-node": f"irsa sts.amazonaws.com {ROLE}"}
POLICY, CONFIG_MAP = "irsa-guard-shop-prod-identity", "irsa-guard-shop-prod-1-1a2b3c"
POLICY_SPEC = {
    "failurePolicy": "Ignore",
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    "matchConstraints": {
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]},
        ]
    },
    "validations": [{"expression": "size(variables.missing) == 0", "reason": "Forbidden"}],
}


def binding(mode: str, *namespaces: str, policy: str = POLICY, config_map: str = CONFIG_MAP) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces]}
    return {
        "policyName": policy,
        "paramRef": {"name": config_map, "namespace": "platform", "parameterNotFoundAction": "Allow"},
        "validationActions": [mode, "Audit"],
        "matchResources": {"namespaceSelector": {"matchExpressions": [expression]}},
    }


BINDINGS = {POLICY: binding("Deny", "web"), f"{POLICY}-kube-system": binding("Warn", "kube-system")}
GUARD = DeclaredGuard(
    "irsa:guard", "shop-prod", "deny", "platform", {CONFIG_MAP: DATA}, {POLICY: POLICY_SPEC}, BINDINGS
)


def live(name: str, **parts: Any) -> dict[str, Any]:
    """Return an object with the labels of the guard."""
    labels = {"app.kubernetes.io/managed-by": "irsa", "irsa/guard": "shop-prod"}
    return {"metadata": {"name": name, "labels": labels}, **copy.deepcopy(parts)}


class StubCluster:
    """A cluster with the objects of the guard, by resource and name, and the defaults that the API server sets:
    https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/validating-admission-policy-v1/
    """

    issuer, context = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", "test"

    def __init__(self) -> None:
        constraints = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
        policy = live(POLICY, spec=POLICY_SPEC, status={"observedGeneration": 1, "typeChecking": {}})
        policy["spec"]["matchConstraints"] |= constraints
        policy["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = "*"
        bindings = {name: live(name, spec=spec) for name, spec in BINDINGS.items()}
        for each in bindings.values():
            each["spec"]["matchResources"] = constraints | each["spec"]["matchResources"]
        self.objects: dict[str, dict[str, dict[str, Any]]] = {
            "validatingadmissionpolicies": {POLICY: policy},
            "validatingadmissionpolicybindings": bindings,
            "configmaps": {CONFIG_MAP: live(CONFIG_MAP, data=DATA)},
        }
        self.denied: set[str] = set()
        self.unknown: set[str] = set()

    def of(self, _: str) -> Any:
        return self

    def _asked(self, resource: str) -> dict[str, dict[str, Any]]:
        if resource in self.denied:
            raise NoPermissionError(f"list {resource}: forbidden")
        if resource in self.unknown:
            raise NoSuchKindError(f"get {resource}: HTTP 404")
        return self.objects.get(resource, {})

    def object_of(self, resource: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        assert namespace in (("platform", "foreign") if resource == "configmaps" else ("",))
        if namespace == "foreign":
            raise NoPermissionError(f"get {resource}: forbidden")
        return self._asked(resource).get(name)

    def objects_of(self, resource: str, label: str) -> list[dict[str, Any]]:
        return [*self._asked(resource).values()]
