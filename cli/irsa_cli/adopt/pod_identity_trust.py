"""Trust policies with statements for EKS Pod Identity read back: which ones irsa writes, for whom, and what it narrows.

The usual statement has no condition, so that whoever may create an association in the AWS account gets the role. irsa
names the service accounts that have one. https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.evaluation.comparisons import Parsed
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.evaluation.normal_form import are_equivalent
from irsa.evaluation.same_sessions import admits_the_same
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.subjects import check_subject, is_pattern
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL, PodIdentityTrust
from irsa_cli.adopt.associations import Pods
from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.trust import ReadTrust, Settings, Surroundings, check_refused, read_trust

# No service account has these names: they stand for all others.
ANYBODY = ("0irsa0", "0irsa0")


def read_with_pods(
    document: Mapping[str, Any],
    surroundings: Surroundings,
    pods: Pods,
    cluster_of_provider: Mapping[str, str | None],
    *,
    preferred: Collection[str] = (),
    exact_only: bool = False,
    drop_dead_issuers: bool = False,
) -> ReadTrust:
    """Return the settings by which irsa writes the trust policy of a role that associations give.

    Where the tokens of the clusters let others in than the associations do, the statements for EKS Pod Identity stay as
    they are.

    Args:
        document: The trust policy.
        surroundings: What is known of the clusters.
        pods: The associations.
        cluster_of_provider: The ARN of the EKS cluster of each OIDC provider.
        preferred: As of read_trust.
        exact_only: Likewise.
        drop_dead_issuers: Likewise.

    Raises:
        Left: irsa cannot write it, or would admit others, or shut an association out.
    """
    try:
        parsed = parse(document)
    except Mistake as mistake:
        raise Left(f"its trust policy: {mistake.found}") from mistake
    statements = items_of(document["Statement"])
    of_pods = [each for each in statements if _is_of_pods(each)]
    others = [each for each in statements if not _is_of_pods(each)]
    known = {"preferred": preferred, "exact_only": exact_only, "drop_dead_issuers": drop_dead_issuers}
    admitted = [each for each in pods.requests if _admits(parsed, each)]
    if not of_pods or not admitted or len({each.session_tags for each in admitted}) > 1:
        return read_trust(document, surroundings, **known)  # type: ignore[arg-type]
    subjects = sorted({check_subject(f"{each.namespace}:{each.service_account}") for each in admitted})
    clusters = sorted({each.cluster_arn for each in admitted})
    written = PodIdentityTrust(clusters, admitted[0].session_tags)
    changes: Sequence[str] = ()
    afterwards: Sequence[str] = ()
    if any(_names_provider(each, surroundings) for each in others):
        read = read_trust({**document, "Statement": others}, surroundings, **known)  # type: ignore[arg-type]
        settings, changes, afterwards = read.settings, read.changes, read.afterwards
        same_clusters = {cluster_of_provider.get(arn) for arn in settings.provider_arns} == {*clusters}
        if settings.conditions or not same_clusters or not {*subjects} <= {*settings.subjects}:
            return read_trust(document, surroundings, **known)  # type: ignore[arg-type]
        settings = replace(settings, pod_identity=written)
        if _let_in(parsed, settings, written):
            return read_trust(document, surroundings, **known)  # type: ignore[arg-type]
    else:
        settings = Settings((), tuple(subjects), statements=tuple(others), pod_identity=written)
        check_refused(settings)
    if are_equivalent(settings.document, document):
        return ReadTrust(settings, afterwards=tuple(afterwards))
    # An import takes nothing from anybody: what lets others in stays beside the statement that irsa writes.
    narrower = _narrower(parsed, settings, written, pods)
    settings = replace(settings, statements=(*settings.statements, *of_pods))
    check_refused(settings)
    changes = (*changes, "a statement for EKS Pod Identity is added; the others stay as they are")
    if exact_only:
        raise Left(f"its trust policy changes: {'; '.join(changes)}")
    if not admits_the_same(document, settings.document):
        raise Left("irsa writes its statement for EKS Pod Identity in a form that it cannot compare with this one")
    return ReadTrust(settings, tuple(changes), (*afterwards, *narrower))


def _is_of_pods(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = items_of(principal.get("Service", ())) if isinstance(principal, Mapping) else []
    is_alone = isinstance(principal, Mapping) and {*principal} == {"Service"}
    return is_alone and [*services] == [POD_IDENTITY_PRINCIPAL] and statement["Effect"] == "Allow"


def _names_provider(statement: Mapping[str, Any], surroundings: Surroundings) -> bool:
    principal = statement.get("Principal")
    names = items_of(principal.get("Federated", ())) if isinstance(principal, Mapping) else []
    return any(each in surroundings.audiences for each in map(str, names))


def _admits(parsed: Parsed, request: PodIdentityRequest) -> bool:
    return evaluate_parsed(*parsed, request).decision is Decision.ALLOWED


def _let_in(parsed: Parsed, settings: Settings, written: PodIdentityTrust) -> PodIdentityRequest | None:
    """Return somebody whom irsa's statements would admit and the trust policy does not; None where there is nobody."""
    after = parse(settings.document)
    exact = (each.split(":") for each in settings.subjects if not is_pattern(each))
    requests = (
        PodIdentityRequest(namespace, name, arn, session_tags=written.session_tags)
        for namespace, name in exact
        for arn in written.cluster_arns
    )
    return next((each for each in requests if _admits(after, each) and not _admits(parsed, each)), None)


def _narrower(parsed: Parsed, settings: Settings, written: PodIdentityTrust, pods: Pods) -> list[str]:
    """Return whom irsa's statement alone shuts out, each as a part of a sentence; none where that is nobody.

    Raises:
        Left: It would let others in.
    """
    after, let_in = parse(settings.document), _let_in(parsed, settings, written)
    if let_in:
        where = parse_cluster_arn(let_in.cluster_arn).name
        raise Left(f"irsa would admit {named(let_in.subject)} in {named(where)} by EKS Pod Identity, too")
    shut_out = next((each for each in pods.requests if _admits(parsed, each) and not _admits(after, each)), None)
    if shut_out:
        raise Left(f"irsa would shut out {named(shut_out.subject)}, which has an association")
    arn = written.cluster_arns[0]
    anybody = [PodIdentityRequest(*ANYBODY, arn, session_tags=tags) for tags in (True, False)]
    elsewhere = [PodIdentityRequest(*ANYBODY, f"{arn}-0irsa0", session_tags=tags) for tags in (True, False)]
    narrowed = any(_admits(parsed, each) and not _admits(after, each) for each in (*anybody, *elsewhere))
    if not narrowed:
        return []
    names = listed([each.replace(":", "/", 1) for each in settings.subjects if not is_pattern(each)])
    who = names if written.session_tags else "any association"
    where = listed([parse_cluster_arn(each).name for each in written.cluster_arns])
    only = f"EKS Pod Identity then gives it to {who} in {where} only; until then, to whatever association names it"
    found = [f"after the import, remove {POD_IDENTITY_PRINCIPAL} from trust.statements: {only}"]
    if pods.unread:
        unread = listed(pods.unread)
        found.append(f"not read, and shut out then if they use it: associations of {unread} (pass --cluster)")
    return found
