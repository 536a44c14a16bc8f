"""A cluster and an AWS account that lie, asked by the subcommands: one sentence each, and never "good"."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from irsa_cli.main import main
from tests.unit.irsa_world.live.kubernetes_api import kubeconfig, serving
from tests.unit.irsa_world.live.test_hostile_answers import (
    BAD_DOCUMENTS,
    BAD_METADATA,
    DETAILS,
    NESTED_LISTS,
    NESTED_MAPS,
    NO_OBJECTS,
    listing,
)
from tests.world import aws_response, document, of_tokens, paged_iam

ISSUER = "https://oidc.example.com/prod"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/prod"
CLAIMS = {"sub": "system:serviceaccount:a:x", "aud": "sts.amazonaws.com"}
ROLE = "arn:aws:iam::123456789012:role/app"
INVENTORY = ["inventory", "--fail-on", "all", "--json"]
NESTED = (NESTED_LISTS.decode(), NESTED_MAPS.decode())
SUBCOMMANDS = [INVENTORY, ["explain", "a/x"], ["adopt", "--all"]]
# Each is none that IAM takes: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
ISSUERS = [
    "http://x",
    "https://x/?q",
    "https://user:pw@x",
    "HTTPS://x",
    "https://[::1]",
    "xx",
    "https://",
    "https://x y",
    "https://x/\n",
    "https://x/#f",
    f"https://x/{'a' * 300}",
    "arn:aws:iam::1:role/x",
]


class Kubernetes:
    """A cluster of two service accounts, one of which has a role."""

    def __init__(self) -> None:
        annotations = {"eks.amazonaws.com/role-arn": ROLE}
        self.issuer: Any = {"issuer": ISSUER}
        self.items: list[Any] = [{"metadata": {"namespace": "a", "name": "x", "annotations": annotations, "uid": "1"}}]
        self.instead: Any = ...

    def answer(self, path: str, _: Mapping[str, str]) -> tuple[int, Any]:
        if path.endswith("openid-configuration"):
            return 200, self.issuer
        if self.instead is not ...:
            return 200, self.instead
        if path.endswith("/serviceaccounts"):
            return 200, {"kind": "ServiceAccountList", "items": self.items}
        return 200, self.items[-1]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kubernetes]:
    """Yield the cluster of the current context; an AWS account has the role of its service account."""
    found = Kubernetes()
    with serving(monkeypatch, found.answer) as api, paged_iam(monkeypatch, 100) as iam:
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(kubeconfig(api.url)))
        monkeypatch.setenv("KUBECONFIG", str(file))
        iam.create_open_id_connect_provider(Url=ISSUER, ThumbprintList=["0" * 40], ClientIDList=["sts.amazonaws.com"])
        claims = {f"oidc.example.com/prod:{key}": value for key, value in CLAIMS.items()}
        trust = document(of_tokens(PROVIDER, {"StringEquals": claims}))
        iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))
        yield found


def quote_document(document: Any) -> str:
    return f"<AssumeRolePolicyDocument>{quote(json.dumps(document))}</AssumeRolePolicyDocument>"


@contextmanager
def answering(patch: pytest.MonkeyPatch, bodies: Mapping[str, str]) -> Iterator[None]:
    """Have operations of IAM answered by bodies, and the others by moto."""
    genuine = boto3.session.Session.client

    def client(session: Any, *arguments: Any, **values: Any) -> Any:
        found = genuine(session, *arguments, **values)
        for operation, body in bodies.items():
            answer = partial(lambda body, **_: aws_response(200, body), body)
            found.meta.events.register_first(f"before-send.iam.{operation}", answer)
        return found

    with patch.context() as within:
        within.setattr(boto3.session.Session, "client", client)
        yield


def run(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_an_honest_cluster_is_good(cluster: Kubernetes, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, ["inventory", "--json"])
    assert (code, err, json.loads(out)["notChecked"]) == (0, "", [])


@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("words", SUBCOMMANDS, ids=lambda words: words[0])
def test_an_issuer_that_iam_takes_no_provider_of(
    cluster: Kubernetes, capsys: pytest.CaptureFixture[str], words: list[str], issuer: str
) -> None:
    cluster.issuer = {"issuer": issuer}
    code, out, err = run(capsys, words)

    assert (code, out) == (3, "")
    assert "IAM accepts an https URL without a query" in err or "publishes no issuer" in err
    assert issuer.strip()[:15] in err


@pytest.mark.parametrize("body", NO_OBJECTS)
@pytest.mark.parametrize("words", SUBCOMMANDS, ids=lambda words: words[0])
def test_something_else_in_place_of_a_cluster(
    cluster: Kubernetes, capsys: pytest.CaptureFixture[str], words: list[str], body: Any
) -> None:
    cluster.instead = body
    code, out, err = run(capsys, words)

    assert (code, out) == (3, "")
    assert "an answer that is not of Kubernetes (a proxy, or the server)" in err


@pytest.mark.parametrize("metadata", BAD_METADATA)
def test_the_rest_of_a_cluster_is_still_listed(
    cluster: Kubernetes, capsys: pytest.CaptureFixture[str], metadata: Any
) -> None:
    cluster.items.append({"metadata": metadata})
    code, out, err = run(capsys, INVENTORY)
    found = json.loads(out)

    assert (code, err, found["good"]) == (3, "", False)
    assert [*found["serviceAccounts"]["test"]] == ["a/x"]
    assert [each for each in found["notChecked"] if "irsa cannot read object 2: " in each]
    assert found["findings"] == []
    for words in SUBCOMMANDS[1:]:
        code, out, err = run(capsys, words)
        assert code != 4, err


@pytest.mark.parametrize("trust", ["", *BAD_DOCUMENTS])
def test_the_other_roles_of_an_aws_account_are_still_listed(
    cluster: Kubernetes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, trust: str
) -> None:
    """The role of the service account cannot be read; another one can."""
    written = f"<AssumeRolePolicyDocument>{quote(trust)}</AssumeRolePolicyDocument>" if trust else ""
    of_app = f"<Arn>{ROLE}</Arn><RoleId>A1</RoleId>{written}"
    of_other = f"<Arn>{ROLE}2</Arn><RoleId>A2</RoleId>{quote_document(document())}"
    items = f"<member>{of_app}</member><member>{of_other}</member>"
    bodies = {
        "ListRoles": listing("ListRoles", "Roles", items),
        DETAILS: listing(DETAILS, "RoleDetailList", items, "<Policies/>"),
        "GetRole": f"<GetRoleResponse><GetRoleResult><Role>{of_app}</Role></GetRoleResult></GetRoleResponse>",
    }
    with answering(monkeypatch, bodies):
        code, out, err = run(capsys, INVENTORY)
        explained = run(capsys, ["explain", "a/x"])
        adopted = run(capsys, ["adopt", "--all"])

    if trust in NESTED:
        # boto3 reads the JSON itself, and does not say where in the list it is.
        assert (code, out) == (3, ""), err
    else:
        found = json.loads(out)
        assert (found["good"], found["admissions"]) == (False, [])
        assert {each["kind"] for each in found["findings"]} <= {"unused"}
        assert [each for each in found["notChecked"] if ROLE in each or "irsa cannot read object 1" in each]
    assert explained[0] == 3, explained
    assert adopted[0] in (1, 3), adopted
