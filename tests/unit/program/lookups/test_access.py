import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pulumi
import pytest

from irsa_config.stack import Stack
from irsa_program.examine import examine
from irsa_program.lookups import access, failures
from irsa_program.lookups.access import access_of, kubeconfig_mistake
from irsa_program.lookups.values import Needs, needs_of
from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import Caller

PLACE = ("cluster", "kubernetes")
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
KNOWN = {"oidcIssuer": ISSUER, "oidcProviderArn": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER[8:]}"}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: {current}
contexts:
- name: {name}
  context: {{cluster: c, user: u}}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(KUBECONFIG.format(name="prod", current="prod"))
    return file


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("inputs", "variables", "place"),
    [
        ({"kubeconfig": "prod", "context": "prod"}, {}, None),
        ({"context": "prod"}, {"KUBECONFIG": "prod"}, None),
        ({"kubeconfig": "prod", "context": "prd"}, {}, (*PLACE, "context")),
        ({"kubeconfig": "none"}, {}, (*PLACE, "kubeconfig")),
        ({"kubeconfig": "~nobody-at-all/x"}, {}, (*PLACE, "kubeconfig")),
        # A file that is missing is skipped, and a context of any file counts.
        ({"context": "prod"}, {"KUBECONFIG": "none:without:prod"}, None),
        ({"context": "stage"}, {"KUBECONFIG": "none:without:prod"}, (*PLACE, "context")),
        ({}, {"KUBECONFIG": "without"}, PLACE),
        ({}, {"KUBECONFIG": "none"}, PLACE),
        # In a Pod its service account is used then.
        ({}, {"KUBECONFIG": "none", **IN_POD}, None),
        ({"context": "prod"}, {"KUBECONFIG": "none", **IN_POD}, PLACE),
        # The plugin says what is wrong with these.
        *(({"kubeconfig": name}, {}, None) for name in ("brace", "text", "contexts")),
    ],
)
def test_a_kubeconfig_and_its_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, str], variables: dict[str, str], place: Any
) -> None:
    """https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
    https://pkg.go.dev/k8s.io/client-go/tools/clientcmd#DeferredLoadingClientConfig.ClientConfig
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    files = {name: KUBECONFIG.format(name="prod", current=now) for name, now in (("prod", "prod"), ("without", '""'))}
    files |= {"brace": "{", "text": "text", "contexts": "contexts: {a: b}"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = kubeconfig_mistake(PLACE, inputs, "")

    assert (found.place if found else None) == place


def stack(**values: Any) -> tuple[Stack, Needs]:
    """Return the settings, and what must be looked up for them."""
    examined = examine(values, Path("/nowhere"))
    return examined.settings.stack, needs_of(examined.settings.stack, examined.bindings)


OWN = {"serviceAccount": {"name": "app"}}
EXISTING = {**OWN, "role": {"arn": "arn:aws:iam::111122223333:role/r"}}


@pytest.mark.parametrize(
    ("cluster", "binding", "expected"),
    [
        (KNOWN, OWN, {None}),
        (KNOWN, EXISTING, set()),
        (KNOWN, {**OWN, "account": "data"}, {"data"}),
        ({"name": "cc"}, EXISTING, {None}),
        # The cluster is looked up in its own account, and the region of an account is that of the stack.
        ({"name": "cc", "account": "data", "createOidcProvider": True}, OWN, {None, "data"}),
        (KNOWN, {**OWN, "account": "elsewhere"}, {None, "elsewhere"}),
        # With EKS Pod Identity, EKS alone knows the ARN of a cluster whose issuer is written.
        ({"name": "cc", "oidcIssuer": "https://a.example/b"}, {**EXISTING, "identity": "podIdentity"}, {None}),
    ],
)
def test_an_account_counts_where_something_is_asked_or_created(cluster: Any, binding: Any, expected: Any) -> None:
    accounts = {"data": {"profile": "data", "region": "us-west-2"}, "elsewhere": {"profile": "data"}}
    settings, needs = stack(cluster=cluster, accounts=accounts, bindings={"app": binding})

    assert access.used_aws_accounts(settings, needs) == expected


def test_the_settings_of_the_default_provider_are_looked_at(tmp_path: Path, kubeconfig: Path) -> None:
    own = stack(cluster=KNOWN, bindings={"app": EXISTING})

    def places(**settings: str) -> list[str]:
        pulumi.runtime.set_all_config({f"kubernetes:{name}": value for name, value in settings.items()})
        return [mistake.where for mistake in access_of(*own, tmp_path).clusters]

    assert places(kubeconfig="none") == ["kubernetes:kubeconfig"]
    assert places(kubeconfig=kubeconfig.name) == []
    assert places(kubeconfig=kubeconfig.name, context="prd") == ["kubernetes:context"]
    assert places(kubeconfig=kubeconfig.read_text(), context="prd") == ["kubernetes:context"]


def test_a_cluster_that_only_has_a_guard_is_looked_at(tmp_path: Path) -> None:
    add_on = {"policies": [{"addOn": "external-dns", "hostedZones": ["Z1"]}], "identity": "podIdentity"}
    cluster = {"name": "cc", "kubernetes": {"kubeconfig": "none"}}
    pulumi.runtime.set_all_config({})

    def found(**values: Any) -> int:
        return len(access_of(*stack(cluster=cluster, bindings={"dns": add_on}, **values), tmp_path).clusters)

    assert found() == 0
    assert found(guard={"mode": "warn"}) == 1


def test_a_context_is_written_of_the_cluster_that_it_is_for(tmp_path: Path, kubeconfig: Path) -> None:
    """Without --alias, its name is an ARN: https://docs.aws.amazon.com/cli/latest/reference/eks/update-kubeconfig.html."""
    api = {"kubeconfig": str(kubeconfig), "context": "prd"}
    cluster = {"name": "cc", "region": "us-east-1", "account": "data", "kubernetes": api}
    own = stack(cluster=cluster, accounts={"data": {"profile": "data"}}, bindings={"app": EXISTING})
    pulumi.runtime.set_all_config({"aws:region": "us-west-2", "aws:profile": "default"})
    (missing,) = access_of(*own, tmp_path).clusters

    words = shlex.split(missing.mistake.fix.partition("or add it: ")[2])
    assert words[:3] == ["aws", "eks", "update-kubeconfig"]
    given = {"name": "cc", "alias": "prd", "kubeconfig": str(kubeconfig), "region": "us-east-1", "profile": "data"}
    assert dict(zip(words[3::2], words[4::2], strict=True)) == {f"--{name}": value for name, value in given.items()}


VALUES = {"cluster": KNOWN, "bindings": {"app": {"trust": {"subjects": ["a:b"]}}}}


def asked(monkeypatch: pytest.MonkeyPatch, answer: str | Exception, config: dict[str, str]) -> str:
    """Return what is said about a stack, where AWS answers so."""
    pulumi.runtime.set_all_config({"aws:region": "us-west-2", **config})

    error = answer if isinstance(answer, Exception) else None
    caller = Mock(side_effect=error, return_value=Caller(str(answer), f"arn:aws:iam::{answer}:user/ci"))
    monkeypatch.setattr("irsa_world.live.aws.caller", caller)
    return "\n".join(map(str, access_of(*stack(**VALUES), Path()).aws_accounts.values()))


@pytest.mark.parametrize(
    ("name", "value"), [("allowedAccountIds", '["999999999999"]'), ("forbiddenAccountIds", '["111122223333"]')]
)
def test_credentials_of_another_account(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    said = asked(monkeypatch, "111122223333", {f"aws:{name}": value})

    assert "the AWS credentials are of AWS account 111122223333" in said
    assert name in said


@pytest.mark.parametrize("cause", [Cause.DENIED, Cause.UNKNOWN, Cause.THROTTLED])
def test_what_is_not_certain_is_left_to_the_plugin(monkeypatch: pytest.MonkeyPatch, cause: Cause) -> None:
    assert asked(monkeypatch, CouldNotLookError("no", cause), {}) == ""


def test_a_provider_that_boto3_does_not_follow_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = CouldNotLookError("Unable to locate credentials", Cause.NO_CREDENTIALS)

    assert "no AWS credentials" in asked(monkeypatch, missing, {})
    assert asked(monkeypatch, missing, {"aws:accessKey": "AKIA"}) == ""


def test_the_certificates_of_the_system_are_trusted_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: SimpleNamespace(cafile=str(authorities)))
    not_trusted = CouldNotLookError("SSL validation failed", Cause.NOT_TRUSTED)
    session_of = Mock(side_effect=[not_trusted, SimpleNamespace(region_name="us-west-2")])
    monkeypatch.setattr("irsa_world.live.aws.session_of", session_of)

    assert asked(monkeypatch, "111122223333", {}) == ""
    assert [call.args[0].get("customCaBundle") for call in session_of.call_args_list] == [None, str(authorities)]


def test_the_region_may_be_that_of_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in failures.REGION_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[default]\nregion = us-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    assert asked(monkeypatch, "111122223333", {"aws:region": ""}) == ""
