"""What `do` says removes the finding: in estates that are generated, with each kind of finding that has a command."""

import argparse
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa_cli.discovery import Discovery
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.output import Finding
from irsa_world.model import ServiceAccount
from tests.unit.irsa_cli.inventory.estates import (
    ISSUER,
    NUMBER,
    PROVIDER,
    ROLE_ARN,
    WITH_A_COMMAND,
    discovery,
    page_trust,
    role,
    role_arn,
    taken,
    trust,
)

PREFIX = "system:serviceaccount:"
ARGUMENTS = argparse.ArgumentParser()
for option in ("-n", "--context", "--url", "--open-id-connect-provider-arn", "--client-id", "--profile"):
    ARGUMENTS.add_argument(option)
ARGUMENTS.add_argument("--client-id-list", nargs="+", default=[])
ARGUMENTS.add_argument("--overwrite", action="store_true")
ARGUMENTS.add_argument("rest", nargs="*")


def annotated(found: Discovery, given: argparse.Namespace) -> Discovery:
    """https://kubernetes.io/docs/reference/kubectl/generated/kubectl_annotate: KEY=VALUE sets, KEY- removes."""
    assert given.context == "prod"
    name, *changes = given.rest

    def changed(each: ServiceAccount) -> ServiceAccount:
        if (each.namespace, each.name) != (given.n, name):
            return each
        annotations = dict(each.annotations)
        for change in changes:
            key, equals, value = change.partition("=")
            if equals:
                assert given.overwrite or key not in annotations
                annotations[key] = value
            else:
                annotations.pop(key.removesuffix("-"))
        return replace(each, annotations=annotations)

    (cluster,) = found.clusters
    return replace(found, clusters=(replace(cluster, service_accounts=tuple(map(changed, cluster.service_accounts))),))


def with_provider(found: Discovery, arn: str, client_ids: tuple[str, ...]) -> Discovery:
    (account,) = found.aws_accounts
    before = account.client_ids.get(arn, ())
    return replace(found, aws_accounts=(replace(account, client_ids={**account.client_ids, arn: before + client_ids}),))


def created(found: Discovery, given: argparse.Namespace) -> Discovery:
    """The ARN of a provider is its URL without https://.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    """
    arn = f"arn:aws:iam::{NUMBER}:oidc-provider/{given.url.removeprefix('https://')}"
    assert arn not in found.aws_accounts[0].client_ids
    return with_provider(found, arn, tuple(given.client_id_list))


def added(found: Discovery, given: argparse.Namespace) -> Discovery:
    return with_provider(found, given.open_id_connect_provider_arn, (given.client_id,))


# A command that is not here only looks, or nobody knows what it does.
EFFECTS = {
    ("kubectl", "annotate", "serviceaccount"): annotated,
    ("aws", "iam", "create-open-id-connect-provider"): created,
    ("aws", "iam", "add-client-id-to-open-id-connect-provider"): added,
}


def after(found: Discovery, finding: Finding) -> Discovery:
    """Return the estate after the command of a finding was run."""
    words = shlex.split(finding.fix)
    return EFFECTS[words[0], words[1], words[2]](found, ARGUMENTS.parse_intermixed_args(words[3:]))


NAMESPACES = st.sampled_from(["team-a", "team-aa", "default"])
NAMES = st.sampled_from(["app", "appp", "reader", "raeder"])
AUDIENCES = st.sampled_from(["sts.amazonaws.com", "vault"])
ROLES = ["app", "reader", "team/app"]
VALUES = st.sampled_from(
    [
        *map(role_arn, ROLES),
        *(role_arn("ap"), role_arn("READER"), role_arn("none"), "app", "", f"{role_arn('app')} "),
        *(role_arn("app", "999999999999"), "true", "3600", "vault"),
    ]
)
KEYS = st.sampled_from(
    [
        *(ROLE_ARN, "eks.amazonaws.com/role-arm", "eks.amazon.com/role-arn", "eks.amazonaws.com/rolearn"),
        *("eks.amazonaws.com/audience", "eks.amazonaws.com/audiance", "eks.amazonaws.com/token-expiraton"),
        *("eks.amazonaws.com/sts-regional-endpoint", "eks.amazonaws.com/skip-containers", "example.com/role-arn"),
    ]
)
ANNOTATED = st.fixed_dictionaries({ROLE_ARN: st.sampled_from([*map(role_arn, ROLES), role_arn("READER"), "app"])})
ANNOTATIONS = ANNOTATED | st.dictionaries(KEYS, VALUES, max_size=3)


@st.composite
def estates(draw: st.DrawFn) -> Discovery:
    places = draw(st.lists(st.tuples(NAMESPACES, NAMES), min_size=1, max_size=4, unique=True))

    def condition() -> Mapping[str, Any]:
        namespace, name = draw(st.sampled_from(places) | st.tuples(NAMESPACES, NAMES))
        claims = {f"{ISSUER}:sub": f"{PREFIX}{namespace}:{name}", f"{ISSUER}:aud": draw(AUDIENCES)}
        return {"StringEquals": claims}

    accounts = [ServiceAccount("prod", namespace, name, draw(ANNOTATIONS)) for namespace, name in places]
    roles = [role(name, trust(*(condition() for _ in range(draw(st.integers(1, 2)))))) for name in ROLES]
    client_ids = draw(st.sampled_from([{PROVIDER: ("sts.amazonaws.com",)}, {PROVIDER: ("vault",)}, {}]))
    return discovery(accounts, roles, client_ids)


SEEN = Counter[str]()
# A random estate seldom has one.
A_MISSING_ROLE = discovery(
    [ServiceAccount("prod", "team-a", "reader", {ROLE_ARN: role_arn("READER")})],
    [role("reader", page_trust("team-a:reader"))],
    {PROVIDER: ("sts.amazonaws.com",)},
)


@settings(max_examples=400, deadline=None)
@given(estates())
@example(A_MISSING_ROLE)
def removes_the_finding(found: Discovery) -> None:
    """Protects who pastes a command: afterwards the finding is gone, and its service account has none that is new."""
    before = taken(found).findings
    for finding in before:
        if finding.fix:
            SEEN[finding.kind] += 1
            left = taken(after(found, finding)).findings
            about = (finding.kind, finding.service_account, finding.role, finding.found)
            assert about not in [(each.kind, each.service_account, each.role, each.found) for each in left]
            broken = [
                {(each.kind, each.role) for each in those if KINDS[each.kind].family == "broken"}
                for those in (
                    [each for each in before if each.service_account == finding.service_account],
                    [each for each in left if each.service_account == finding.service_account],
                )
            ]
            assert broken[1] <= broken[0] if finding.service_account else True


def test_what_do_says_removes_the_finding() -> None:
    removes_the_finding()

    assert {*SEEN} == WITH_A_COMMAND
