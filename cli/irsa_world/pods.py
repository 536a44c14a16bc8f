"""Whether running Pods have what the webhook injects for the annotations of their service account.

What the webhook does to a Pod: https://github.com/aws/amazon-eks-pod-identity-webhook (README, "EKS Walkthrough").
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from irsa.guard.rules import MOST_CONTAINERS, MOST_VARIABLES, MOST_VOLUMES
from irsa.rules import commands
from irsa.rules.commands import ClusterPlace
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT_NAMES, NameRule, check_name
from irsa.ways import IRSA, POD_IDENTITY, Way
from irsa_world.stages import KEYS, NO_ROLE, RunningPod

TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"  # noqa: S105 (a path)
WINDOWS_TOKEN_FILE = "C:" + TOKEN_FILE.replace("/", "\\")
ROLE_VARIABLE, TOKEN_VARIABLE = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
POD_IDENTITY_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
POD_IDENTITY_TOKEN_VARIABLE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 (a name)
# Of the agent, on every node: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
AGENT_HOSTS = ("http://169.254.170.23/", "http://[fd00:ec2::23]/")
OS = "kubernetes.io/os"
FARGATE_PROFILE = "eks.amazonaws.com/fargate-profile"
SKIP_CONTAINERS = "eks.amazonaws.com/skip-containers"
SKIP_POD = "eks.amazonaws.com/skip-pod-identity-webhook"
# AWS SDKs take these before a role: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
OWN_KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
MIRROR = "kubernetes.io/config.mirror"
# One of a way's two variables alone, a container has set itself: the webhook sets both, or neither.
VARIABLES = {ROLE_VARIABLE, TOKEN_VARIABLE, POD_IDENTITY_VARIABLE, POD_IDENTITY_TOKEN_VARIABLE}

PodObject = Mapping[str, Any]
Problem = tuple[str, str]
"""What is wrong in a Pod: found, and expected."""


def problems(pod: PodObject, role_arn: str, audience: str) -> list[Problem]:
    """Return what is missing or wrong in the Pod, so that it does not get the role of its service account."""
    audiences = sorted(token_audiences(pod))
    token_file = WINDOWS_TOKEN_FILE if _is_for_windows(pod) else TOKEN_FILE
    injected = injected_containers(pod)
    found = [problem for container in injected for problem in _container_problems(container, role_arn, token_file)]
    if injected and audience not in audiences:
        has = f"a token for {listed(audiences)}" if audiences else "no token volume for AWS"
        found.append((has, f"a token volume with the audience {named(audience)}"))
    # Its live manifest has the values that the webhook injected; the webhook does not change them again.
    again = "" if _owner(pod) else ", once you create the Pod again from its manifest"
    return [(problem, f"{expected}{again}") for problem, expected in found]


def containers_with_own_credentials(pod: PodObject) -> list[str]:
    """Return the names of the containers that set the role, or access keys, themselves."""
    return [each["name"] for each in webhook_containers(pod) if _sees_to_itself(each)]


def other_roles(pod: PodObject, role_arn: str) -> list[Problem]:
    """Return the containers that set another role themselves, for which the webhook does nothing."""
    if SKIP_POD in (pod["metadata"].get("labels") or {}):
        return []
    roles = {
        each["name"]: _variables(each).get(ROLE_VARIABLE, "")
        for each in webhook_containers(pod)
        if _sets_role_itself(each)
    }
    # The value of a `valueFrom`, or of another variable, is not in the Pod.
    return [
        (f"container {named(name)}: sets {named(f'{ROLE_VARIABLE}={role}')} itself", f"remove {ROLE_VARIABLE}")
        for name, role in roles.items()
        if role not in ("", role_arn) and "$(" not in role
    ]


def left_alone(pod: PodObject) -> str:
    """Return why none of a Pod's containers can have what the webhook injects; empty where one can."""
    if SKIP_POD in (pod["metadata"].get("labels") or {}):
        return f"the label {SKIP_POD}"
    if not webhook_containers(pod):
        return f"all of its containers in {SKIP_CONTAINERS}"
    return "" if injected_containers(pod) else "the credentials that its containers set themselves"


def injected_containers(pod: PodObject) -> list[Mapping[str, Any]]:
    """Return the containers that use what the webhook injects into them, if it does."""
    is_skipped = SKIP_POD in (pod["metadata"].get("labels") or {})
    return [] if is_skipped else [each for each in webhook_containers(pod) if not _sees_to_itself(each)]


def running_pod(place: ClusterPlace, pod: PodObject, role_arn: str, cluster_key: str = "") -> RunningPod:
    """Return how a Pod gets the role, and where it runs.

    Args:
        place: By which options kubectl acts on its cluster.
        pod: The Pod.
        role_arn: The role of its service account.
        cluster_key: The cluster's key in a stack of several.
    """
    metadata = pod["metadata"]
    injected, why = injected_containers(pod), left_alone(pod)
    ways = {_way(each, role_arn) for each in injected}
    others = {_way(each, role_arn, is_own=True) for each in _every_container(pod) if each not in injected}
    # A container that is left alone may have the role by its own variables, or need none where another has it.
    found = (ways | others) - {None, NO_ROLE, KEYS} | (ways & {NO_ROLE})
    if why and not found and None not in others:
        found = others
    # One that is ending is not created again.
    restart = "" if why or metadata.get("deletionTimestamp") else restart_command(place, pod)
    name = f"{metadata['namespace']}/{metadata['name']}"
    return RunningPod(name, frozenset(filter(None, found)), _no_agent_on(pod), restart, cluster_key, why)


def _way(container: Mapping[str, Any], role_arn: str, is_own: bool = False) -> Way | None:
    """Return how a container gets the role; None where it sees to that itself, with other credentials.

    The SDKs look for the token of IRSA before they look for container credentials:
    https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
    """
    variables = _variables(container)
    if _has_own_keys(container):
        return KEYS
    if {ROLE_VARIABLE, TOKEN_VARIABLE} <= variables.keys():
        is_own |= _sets_role_itself(container)
        return None if is_own and variables[ROLE_VARIABLE] != role_arn else IRSA
    if {POD_IDENTITY_VARIABLE, POD_IDENTITY_TOKEN_VARIABLE} <= variables.keys():
        return POD_IDENTITY if variables[POD_IDENTITY_VARIABLE].startswith(AGENT_HOSTS) else None
    return None if _sets_role_itself(container) else NO_ROLE


def _no_agent_on(pod: PodObject) -> str:
    """Return the kind of a Pod's node where it has no agent of EKS Pod Identity; the Pod itself shows it."""
    if FARGATE_PROFILE in (pod["metadata"].get("labels") or {}):
        return "Fargate"
    is_windows = _is_for_windows(pod) or (pod["spec"].get("os") or {}).get("name") == "windows"
    return "Windows" if is_windows else ""


def restart_command(place: ClusterPlace, pod: PodObject) -> str:
    """Return the command that recreates the Pod, so that the webhook injects the role; empty where there is none.

    Whoever may create a Pod chooses its names and those of its owners, which Kubernetes looks up only later.
    """
    metadata = pod["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    if not (_is_name(name, SERVICE_ACCOUNT_NAMES) and _is_name(namespace, NAMESPACE)):
        return ""
    kind, owner = _owner(pod) or ("", "")
    template = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template and owner.endswith(f"-{template}"):
        kind, owner = "Deployment", owner.removesuffix(f"-{template}")
    if kind in {"Deployment", "StatefulSet", "DaemonSet"} and _is_name(owner, SERVICE_ACCOUNT_NAMES):
        return commands.restart(place, f"{kind.lower()}/{owner}", namespace)
    return commands.delete_pod(place, name, namespace)


def _is_for_windows(pod: PodObject) -> bool:
    # The webhook takes a Pod for one of Windows by its node selector alone (handler.go).
    selector = pod["spec"].get("nodeSelector") or {}
    return "windows" in {selector.get(OS), selector.get(f"beta.{OS}")}


def _owner(pod: PodObject) -> tuple[str, str] | None:
    """Return the kind and the name of the Pod's controller."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next(((str(each["kind"]), str(each["name"])) for each in owners if each.get("controller")), None)


def _is_name(text: str, rule: NameRule) -> bool:
    try:
        return bool(check_name(text, rule))
    except Mistake:
        return False


def _container_problems(container: Mapping[str, Any], role_arn: str, token_file: str) -> Iterator[Problem]:
    variables, name = _variables(container), named(container["name"])
    # https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189: the webhook then injects these variables alone.
    if POD_IDENTITY_VARIABLE in variables:
        found = f"container {name}: uses EKS Pod Identity, which takes precedence"
        yield found, named(f"{ROLE_VARIABLE}={role_arn}")
        return
    for variable, value in ((ROLE_VARIABLE, role_arn), (TOKEN_VARIABLE, token_file)):
        if variables.get(variable) != value:
            found = named(f"{variable}={variables[variable]}") if variable in variables else f"no {variable}"
            yield f"container {name}: {found}", named(f"{variable}={value}")


def _sets_role_itself(container: Mapping[str, Any]) -> bool:
    """Return whether the container sets one of the two variables itself: the webhook then adds neither."""
    variables = _variables(container)
    has_token = variables.get(TOKEN_VARIABLE) in {TOKEN_FILE, WINDOWS_TOKEN_FILE}
    return not has_token and not variables.keys().isdisjoint({ROLE_VARIABLE, TOKEN_VARIABLE})


def _sees_to_itself(container: Mapping[str, Any]) -> bool:
    return _sets_role_itself(container) or _has_own_keys(container)


def _has_own_keys(container: Mapping[str, Any]) -> bool:
    """Return whether a container has access keys: an empty one is none, and `envFrom` is not read."""
    return OWN_KEYS.issubset(
        each["name"] for each in container.get("env") or () if each.get("value") or "valueFrom" in each
    )


def _every_container(pod: PodObject) -> list[Mapping[str, Any]]:
    return [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]


def webhook_containers(pod: PodObject) -> list[Mapping[str, Any]]:
    """Return the containers that the webhook changes: it reads one line of CSV, and does not trim the names in it."""
    annotations = pod["metadata"].get("annotations") or {}
    skipped = {*annotations.get(SKIP_CONTAINERS, "").strip().partition("\n")[0].replace('"', "").split(",")}
    return [container for container in _every_container(pod) if container["name"] not in skipped]


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}


def token_audiences(pod: PodObject) -> set[str]:
    """Return the audiences of the mounted tokens; the token for the Kubernetes API names none."""
    projected = [volume.get("projected") or {} for volume in pod["spec"].get("volumes", [])]
    tokens = [source.get("serviceAccountToken") or {} for each in projected for source in each.get("sources", [])]
    return {token["audience"] for token in tokens if token.get("audience")}


def has_no_identity(pod: PodObject) -> bool:
    """Return whether a guard would refuse a Pod of a service account that it guards, if it were created as it is.

    It is the rule of its policy for identities (irsa.guard.policies), in Python.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    every = _every_container(pod)
    is_too_large = (
        len(every) > MOST_CONTAINERS
        or len(spec.get("volumes") or ()) > MOST_VOLUMES
        or any(len(each.get("env") or ()) > MOST_VARIABLES for each in every)
    )
    is_left_alone = MIRROR in (metadata.get("annotations") or {}) or SKIP_POD in (metadata.get("labels") or {})
    containers = [] if is_too_large or is_left_alone else webhook_containers(pod)
    bare = any(VARIABLES.isdisjoint(env["name"] for env in each.get("env") or ()) for each in containers)
    return bool(containers) and (bare or not token_audiences(pod))


def by_service_account(pods: Iterable[PodObject]) -> dict[str, list[PodObject]]:
    """Return Pods by their service account, as `namespace/name`."""
    found: dict[str, list[PodObject]] = {}
    for each in pods:
        name = each["spec"].get("serviceAccountName") or "default"
        found.setdefault(f"{each['metadata']['namespace']}/{name}", []).append(each)
    return found
