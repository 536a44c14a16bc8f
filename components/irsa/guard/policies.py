"""The guard's policies and their bindings, as manifests of admissionregistration.k8s.io/v1.

Policies run in the API server after all webhooks that change Pods. They let through whatever they fail to judge:
`failurePolicy: Ignore` is for errors, `parameterNotFoundAction: Allow` for a ConfigMap that is gone, and an entry that
they do not understand is none. All that a user or a stack file writes is data to them, never text of an expression.

Of CEL they use what Kubernetes 1.30 has: https://kubernetes.io/docs/reference/using-api/cel/
What the webhook does to a Pod: https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from irsa.guard.rules import (
    ENTRY,
    GROUPS,
    MOST_CONTAINERS,
    MOST_VARIABLES,
    MOST_VOLUMES,
    SYSTEM,
    USER_PREFIXES,
    USERS,
    GuardSettings,
    mode_in,
    namespaces_of,
)
from irsa.rules.leaves import items_of, mapping_of

API_VERSION = "admissionregistration.k8s.io/v1"
LABELS = {"app.kubernetes.io/managed-by": "irsa"}
STACK_LABEL, NAMESPACE_LABEL = "irsa/guard", "kubernetes.io/metadata.name"
GUIDE = "irsa: docs/guides/guard.md"
IDENTITY, ROLE, ANNOTATION = "identity", "role", "annotation"
ACTIONS = {"warn": ["Warn", "Audit"], "deny": ["Deny", "Audit"]}

# What is declared of a service account: `WAYS AUDIENCE ROLE_ARN`.
_DECLARED = {
    "entry": "has(params.data) && variables.key in params.data ? params.data[variables.key] : ''",
    # What cannot be read declares nothing.
    "declared": f"variables.entry.matches(r'^{ENTRY}$')",
    "ways": "variables.declared ? variables.entry.split(' ')[0] : ''",
    "role": "variables.declared ? variables.entry.substring(variables.entry.lastIndexOf(' ') + 1) : ''",
}
_SUBJECT = "request.namespace + '/' + variables.account"
_WAYS = (
    ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
_VARIABLES = [name for way in _WAYS for name in way]
_EVERY_CONTAINER = "(object.spec.?initContainers.orValue([]) + object.spec.containers)"
_POD = {
    # The API server fills it in, but not in mirror Pods.
    "account": "object.spec.?serviceAccountName.orValue('')",
    "key": "request.namespace + '.' + variables.account",
    **_DECLARED,
    "byWay": """variables.ways == 'irsa' ? ' by IRSA'
  : variables.ways == 'podIdentity' ? ' by EKS Pod Identity' : ' by IRSA or EKS Pod Identity'""",
    # The kubelet's copy of a static Pod: what is refused of it runs all the same.
    "mirror": "'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({})",
    # EKS's webhook is not called for these: the objectSelector of its configuration.
    "skipsWebhook": "'eks.amazonaws.com/skip-pod-identity-webhook' in object.metadata.?labels.orValue({})",
    # The webhook reads the first line of it as CSV: names may be in quotes, and spaces belong to them. It stays a
    # string: a list of the names costs the square of their number, half a minute for an annotation of 100 kB.
    "skipped": """',' + object.metadata.?annotations[?'eks.amazonaws.com/skip-containers'].orValue('')
  .trim().split('\\n', 2)[0].replace('"', '') + ','""",
    # The webhook changes init containers, too. Ephemeral ones are added to a running Pod, of which it changes nothing.
    "containers": f"""{_EVERY_CONTAINER}
  .filter(container, !variables.skipped.contains(',' + container.name + ','))""",
    "tokens": """object.spec.?volumes.orValue([])
  .filter(volume, volume.?projected.sources.orValue([]).exists(source, has(source.serviceAccountToken)))""",
    # One of a way's two variables keeps the webhook from setting either, and it always sets both: with one alone, the
    # container has set it itself. Either way is right, since `pulumi up` may be moving the account to the other.
    "bare": f"""variables.containers.filter(container, !container.?env.orValue([]).exists(variable,
  variable.name in {_VARIABLES})).map(container, container.name)""",
}
# The API server's time for a list grows with the square of its length.
_NOT_TOO_LARGE = {
    "name": "not-too-large",
    "expression": f"""size({_EVERY_CONTAINER}) <= {MOST_CONTAINERS}
  && size(object.spec.?volumes.orValue([])) <= {MOST_VOLUMES}
  && {_EVERY_CONTAINER}.all(container, size(container.?env.orValue([])) <= {MOST_VARIABLES})""",
}
_IDENTITY = {
    # Kubernetes' own token has no audience: it is the API server's.
    "hasToken": """variables.tokens.exists(volume, volume.projected.sources.exists(source,
  source.?serviceAccountToken.audience.orValue('') != ''))""",
    "missing": """!variables.declared || variables.mirror || variables.skipsWebhook || variables.containers == [] ? []
  : (variables.hasToken ? [] : ['no token'])
    + (variables.bare == [] ? [] : ['no variables in container ' + variables.bare.join(', ')])""",
    # Where there is a token, the webhook was called: what has no variables was added after it, by another webhook.
    "advice": """size(variables.bare) == size(variables.containers) || (!variables.hasToken && variables.bare != [])
  ? 'The Pod Identity webhook was not called; create the Pod again'
  : !variables.hasToken
  ? 'The Pod Identity webhook was not called, or its token was removed after it; create the Pod again'
  : 'If another webhook adds ' + variables.bare.join(', ') + ' after the Pod Identity webhook, name it in '
    + 'eks.amazonaws.com/skip-containers, an annotation of the Pod template, or write namespaces: {'
    + request.namespace + ': warn} in the guard; else create the Pod again'""",
}
_HAS = "container.?env.orValue([]).exists(each, each.name == '{}')"
_HAS_BOTH = " || ".join(f"({_HAS.format(one)} && {_HAS.format(other)})" for one, other in _WAYS)
_SETS = f"variables.containers.exists(container, {_HAS})"
_LACKS = """!variables.tokens.exists(volume, volume.projected.sources.exists(source,
  source.?serviceAccountToken.audience.orValue('') == {}))"""
_ROLE = {
    "usesIrsa": _SETS.format("AWS_WEB_IDENTITY_TOKEN_FILE"),
    "usesPodIdentity": _SETS.format("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    # `valueFrom` says nothing here.
    "otherRoles": """variables.containers.filter(container, container.?env.orValue([]).exists(each,
  each.name == 'AWS_ROLE_ARN' && has(each.value) && each.value != variables.role))
  .map(container, 'container ' + container.name + ' has ' + container.env.filter(each, each.name == 'AWS_ROLE_ARN')
    .map(each, strings.quote(each.?value.orValue(''))).join(', '))""",
    # The webhook does not add the other to one that it finds, and AWS SDKs need both for the role.
    "halves": f"""variables.containers.filter(container, !(container.name in variables.bare || {_HAS_BOTH}))
  .map(container, 'container ' + container.name + ' sets '
    + container.env.filter(each, each.name in {_VARIABLES}).map(each, each.name).join(', ')
    + ' alone, which does not give it the role: set both variables of a way, or none')""",
    "audience": """variables.declared
  ? variables.entry.substring(variables.entry.indexOf(' ') + 1, variables.entry.lastIndexOf(' ')) : ''""",
    "lacksIrsa": f"variables.usesIrsa && variables.ways != 'podIdentity' && {_LACKS.format('variables.audience')}",
    "lacksPodIdentity": f"""variables.usesPodIdentity && {_LACKS.format("'pods.eks.amazonaws.com'")}""",
    "differs": """!variables.declared || variables.mirror ? []
  : variables.skipsWebhook ? ['it has the label eks.amazonaws.com/skip-pod-identity-webhook, so it gets no role']
  : variables.otherRoles + variables.halves
    + (variables.usesPodIdentity && variables.ways == 'irsa' ? ['it uses EKS Pod Identity'] : [])
    + (variables.usesIrsa && variables.ways == 'podIdentity' ? ['it uses IRSA'] : [])
    + (variables.lacksIrsa ? ['it has no token for ' + strings.quote(variables.audience)] : [])
    + (variables.lacksPodIdentity ? ['it has no token for pods.eks.amazonaws.com'] : [])""",
}
_ANNOTATION = {
    "account": "object.metadata.?name.orValue('')",
    "key": "request.namespace + '.' + variables.account",
    **_DECLARED,
    "annotated": "object.metadata.?annotations[?'eks.amazonaws.com/role-arn'].orValue('')",
    "before": """request.operation == 'UPDATE'
  ? oldObject.metadata.?annotations[?'eks.amazonaws.com/role-arn'].orValue('') : ''""",
    "user": "request.userInfo.?username.orValue('')",
    # Lists have one entry in each line. Without the lists, the ConfigMap is not irsa's any more.
    "readable": f"""has(params.data) && ['{USERS}', '{USER_PREFIXES}', '{GROUPS}'].all(key, key in params.data)""",
    "allowed": f"""variables.readable && (
  variables.user in params.data['{USERS}'].split('\\n')
  || params.data['{USER_PREFIXES}'].split('\\n').exists(each, each != '' && variables.user.startsWith(each))
  || params.data['{GROUPS}'].split('\\n').exists(each, each in request.userInfo.?groups.orValue([])))""",
    "passes": """!variables.readable || variables.allowed
  || variables.annotated in ['', variables.before, variables.role]""",
}


def policies(settings: GuardSettings) -> list[dict[str, Any]]:
    """Return the policies of a stack's guard."""
    found = [identity_policy(settings.stack), _role(settings.stack)]
    return [*found, _annotation(settings.stack)] if settings.annotations else found


def bindings(
    settings: GuardSettings, data: Sequence[Mapping[str, str]], config_maps: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the bindings of a stack's policies: where they are on, with which ConfigMap, and what they do.

    Args:
        settings: The guard's.
        data: That of each ConfigMap, of `config_map_data`.
        config_maps: The name of each, which may be an output.
    """
    found = []
    for number, (part, config_map) in enumerate(zip(data, config_maps, strict=True), start=1):
        suffix = f"-{number}" if number > 1 else ""
        found += [
            _binding(settings, policy, name + suffix, mode=mode, namespaces=namespaces, config_map=config_map)
            for policy, name, mode, namespaces in _places(settings, namespaces_of(part))
            if namespaces
        ]
    return found


def _places(settings: GuardSettings, namespaces: list[str]) -> list[tuple[str, str, str, list[str]]]:
    """Return the policy, the name, the mode and the namespaces of each binding."""
    modes = {namespace: mode_in(settings, namespace) for namespace in namespaces}
    on = [namespace for namespace, mode in modes.items() if mode != "off"]
    # Exceptions have bindings of their own, so that the usual one is always the same.
    places = [
        (
            IDENTITY,
            IDENTITY if mode == settings.mode else f"{IDENTITY}-{mode}",
            mode,
            [each for each in on if modes[each] == mode and each != SYSTEM],
        )
        for mode in ACTIONS
    ]
    places += [(IDENTITY, f"{IDENTITY}-{SYSTEM}", modes[SYSTEM], [SYSTEM])] if SYSTEM in on else []
    places.append((ROLE, ROLE, "warn", on))
    return [*places, (ANNOTATION, ANNOTATION, settings.annotations.mode, on)] if settings.annotations else places


def selected_namespaces(spec: Mapping[str, Any]) -> set[str]:
    """Return the namespaces of a binding as irsa writes them: by name, and by nothing else; of another one none."""
    selector = mapping_of(mapping_of(spec.get("matchResources")).get("namespaceSelector"))
    match items_of(selector.get("matchExpressions")):
        case [{"key": key, "operator": "In", "values": [*names]}] if key == NAMESPACE_LABEL:
            return set() if selector.get("matchLabels") else {each for each in names if isinstance(each, str)}
    return set()


def name_of(stack: str, part: str) -> str:
    """Return the name of a policy or a binding."""
    return f"irsa-guard-{stack}-{part}"


def config_map_name(stack: str, component: str, number: int) -> str:
    """Return the logical name of a ConfigMap, with which its automatic name begins; `number` counts from 0."""
    return f"irsa-guard-{stack}-{hashlib.sha256(component.encode()).hexdigest()[:8]}-{number + 1}"


def _metadata(stack: str, part: str) -> dict[str, Any]:
    return {"name": name_of(stack, part), "labels": {**LABELS, STACK_LABEL: stack}}


def identity_policy(stack: str) -> dict[str, Any]:
    """Return the policy that refuses Pods without an identity."""
    return _policy(
        stack,
        IDENTITY,
        resources=("pods", ["CREATE"]),
        conditions=[_NOT_TOO_LARGE],
        variables={**_POD, **_IDENTITY},
        expression="variables.missing == []",
        messages=(
            "no AWS identity",
            f"""{_SUBJECT} + ' has no AWS identity: its Pods must get ' + variables.role + variables.byWay
  + ', and this one has ' + variables.missing.join(' and ') + '. ' + variables.advice + '; {GUIDE}'""",
        ),
        audited=f"variables.missing == [] ? '' : {_SUBJECT} + ': ' + variables.missing.join(' and ')",
    )


def _role(stack: str) -> dict[str, Any]:
    return _policy(
        stack,
        ROLE,
        resources=("pods", ["CREATE"]),
        conditions=[_NOT_TOO_LARGE],
        variables={**_POD, **_ROLE},
        expression="variables.differs == []",
        messages=(
            "another AWS identity",
            f"""{_SUBJECT} + ' has another AWS identity: its Pods must get ' + variables.role
  + variables.byWay + ', but this Pod differs: ' + variables.differs.join('; ') + '; {GUIDE}'""",
        ),
        audited=f"variables.differs == [] ? '' : {_SUBJECT} + ': ' + variables.differs.join('; ')",
    )


def _annotation(stack: str) -> dict[str, Any]:
    return _policy(
        stack,
        ANNOTATION,
        resources=("serviceaccounts", ["CREATE", "UPDATE"]),
        variables=_ANNOTATION,
        expression="variables.passes",
        messages=(
            "undeclared role",
            f"""{_SUBJECT} + ' must not be annotated with ' + strings.quote(variables.annotated) + ': '
  + (variables.declared ? 'declared is ' + variables.role : 'no role is declared for it')
  + '. Change its binding in the stack file; {GUIDE}'""",
        ),
        audited=f"variables.passes ? '' : {_SUBJECT} + ': ' + strings.quote(variables.annotated)",
    )


def _policy(
    stack: str,
    part: str,
    *,
    resources: tuple[str, list[str]],
    conditions: Sequence[Mapping[str, str]] = (),
    variables: Mapping[str, str],
    expression: str,
    messages: tuple[str, str],
    audited: str,
) -> dict[str, Any]:
    plural, operations = resources
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": [plural], "operations": operations}
    # The message without an expression is for the case that the other cannot be computed.
    message, message_expression = messages
    validation = {
        "expression": expression,
        "message": f"{message}; {GUIDE}",
        "messageExpression": message_expression,
        "reason": "Forbidden",
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": _metadata(stack, part),
        "spec": {
            "failurePolicy": "Ignore",
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {"resourceRules": [rule]},
            **({"matchConditions": [*conditions]} if conditions else {}),
            "variables": [{"name": name, "expression": text} for name, text in variables.items()],
            "validations": [validation],
            "auditAnnotations": [{"key": "service-account", "valueExpression": audited}],
        },
    }


def _binding(
    settings: GuardSettings, policy: str, name: str, *, mode: str, namespaces: list[str], config_map: Any
) -> dict[str, Any]:
    selector = {"key": NAMESPACE_LABEL, "operator": "In", "values": namespaces}
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": _metadata(settings.stack, name),
        "spec": {
            "policyName": name_of(settings.stack, policy),
            "paramRef": {
                "name": config_map,
                "namespace": settings.namespace,
                "parameterNotFoundAction": "Allow",
            },
            "validationActions": ACTIONS[mode],
            "matchResources": {"namespaceSelector": {"matchExpressions": [selector]}},
        },
    }
