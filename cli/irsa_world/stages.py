"""At which stage between IRSA and EKS Pod Identity the Pods of a binding are, and whether the next one is safe. Pure.

Pods keep what they were created with; only Pods that are created again get what is declared now. While there is an
association, the webhook gives new Pods the credentials of Pod Identity alone:
https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from irsa.ways import BOTH, IRSA, ONLY_IRSA, POD_IDENTITY, SHORT, Identity, Way
from irsa_world.message import first_few
from irsa_world.state.declared import in_cluster

# How long credentials last, from when the agent fetched them
# (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html). It renews them earlier, and drops
# them when EKS answers ResourceNotFound or AccessDenied, as it does once the association is gone: at any time after
# that (https://github.com/aws/eks-pod-identity-agent: internal/credsretriever/refreshing_cache.go, eksauth/errors.go).
# Whether the association that goes has a target role, not every state tells.
LOSE_IT = (
    "may lose the role within minutes, at the latest 6 hours (59 minutes with a target role) after the agent renewed it"
)

NO_ROLE = Way("", "no role", lambda _: ())
KEYS = Way("", "access keys of its own", lambda _: ())


class RunningPod(NamedTuple):
    """A Pod of a service account.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html (EKS Pod Identity restrictions)

    Attributes:
        name: Its namespace and name, as `namespace/name`.
        ways: How its containers get a role; empty where all of them see to that themselves.
        no_agent_on: `Fargate` or `Windows`, where there is no agent of EKS Pod Identity; empty for Linux on EC2.
        restart: The command that creates it again; empty where there is none.
        cluster_key: The key of its cluster in a stack of several; empty in a stack of one.
        left_alone: Why none of its containers gets a role of the webhook, whenever it is created; empty where one does.
    """

    name: str
    ways: frozenset[Way]
    no_agent_on: str = ""
    restart: str = ""
    cluster_key: str = ""
    left_alone: str = ""


class Stage(NamedTuple):
    """The stage of a binding's Pods.

    Attributes:
        line: All of it in one line.
        to_restart: The Pods that do not have what new Pods get.
        held_back_by: The Pods that would have no role in the next stage, or do not show yet that they have one.
    """

    line: str
    to_restart: Sequence[RunningPod]
    held_back_by: Sequence[RunningPod]


# The way there, and the way back, which has no stage in which new Pods could have either.
FORTH, BACK = Identity((POD_IDENTITY,), BOTH.trusted), Identity((IRSA,), BOTH.trusted)
NEXT: Mapping[Identity, Identity] = {ONLY_IRSA: BOTH, BOTH: FORTH, FORTH: SHORT[POD_IDENTITY.key], BACK: ONLY_IRSA}


def way_of(identity: Identity) -> Way:
    """Return how a Pod gets the role that is created now: an association wins over the annotation."""
    return next((way for way in (POD_IDENTITY, IRSA) if way in identity.used), NO_ROLE)


def spelled(identity: Identity) -> str:
    """Return an identity as a stack file writes it, in its short form where it has one."""
    short = next((word for word, meant in SHORT.items() if meant == identity), None)
    return short or f"{{{', '.join(f'{way}: {use}' for way, use in identity.recorded.items())}}}"


def _described(identity: Identity) -> str:
    return spelled(identity).strip("{}").replace(":", "")


def stage_of(identity: Identity, pods: Iterable[RunningPod]) -> Stage:
    """Return the stage of Pods.

    Args:
        identity: How the binding's Pods get the role, as declared.
        pods: The Pods of its service accounts that have not ended.
    """
    counted, way, following = [pod for pod in pods if pod.ways], way_of(identity), NEXT.get(identity)
    # Where Pod Identity is used, or is about to be.
    needs_agent = POD_IDENTITY in (way, way_of(following or identity))

    def lacks_agent(pod: RunningPod) -> bool:
        return needs_agent and pod.no_agent_on != ""

    def must_restart(pod: RunningPod) -> bool:
        return pod.ways != {way} and not lacks_agent(pod)

    def holds_back(pod: RunningPod) -> bool:
        # Before the first stage each Pod has IRSA or nothing, and keeps it.
        return following is not None and (lacks_agent(pod) or (pod.ways != {way} and following != BOTH))

    without, to_restart, holding = ([*filter(of, counted)] for of in (lacks_agent, must_restart, holds_back))
    parts = [f"{sum(pod.ways == {way} for pod in counted)} of {len(counted)} running Pods with {way}"]
    if identity.only_trusts(POD_IDENTITY) and any(POD_IDENTITY in pod.ways for pod in counted):
        parts.append(f"those with Pod Identity {LOSE_IT}")
    parts += [
        f"on {node}, where there is no Pod Identity: {listed_pods([pod for pod in without if pod.no_agent_on == node])}"
        for node in dict.fromkeys(pod.no_agent_on for pod in without)
    ]
    if following:
        next_stage = f"the next stage ({_described(following)})"
        held_back = f"not ready for {next_stage}: {listed_pods(holding)}{restarts([*filter(must_restart, holding)])}"
        parts.append(held_back if holding else f"{next_stage} is safe")
    unsaid = [pod for pod in to_restart if not (holds_back(pod) or pod.left_alone)]
    parts += [f"{listed_pods(unsaid)} must restart{restarts(unsaid)}"] if unsaid else []
    return Stage(f"{_described(identity)}: {'; '.join(parts)}", to_restart, holding)


def listed_pods(pods: Sequence[RunningPod]) -> str:
    """Return the names of the first Pods, quoted where they are not plain, and how many more there are."""
    return ", ".join(first_few([in_cluster(pod.name, pod.cluster_key) for pod in pods]))


def restarts(pods: Sequence[RunningPod]) -> str:
    """Return the first commands that create Pods again, after a colon; empty where there are none."""
    commands = [*dict.fromkeys(pod.restart for pod in pods if pod.restart)]
    return f": {'; '.join(first_few(commands))}" if commands else ""
