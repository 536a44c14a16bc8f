"""What the policy pack says of hostile properties; tests/all/sandbox/test_policy_pack.py runs it in the engine."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.properties import read
from policy_pack.rules import RULES, violations
from policy_pack.stack import mismatches

# As the engine sends them: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ARN = "arn:aws:iam::111122223333:role/reader"
WIDE = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def trust(subject: str, audience: Any = "sts.amazonaws.com", operator: str = "StringEquals", **more: Any) -> str:
    condition = {"StringLike": {f"{ISSUER}:sub": f"system:serviceaccount:{subject}"}}
    condition.setdefault(operator, {}).update({f"{ISSUER}:aud": audience} if audience else {})
    principal = {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"}
    action = "sts:AssumeRoleWithWebIdentity"
    allow = {"Effect": "Allow", "Action": action, "Principal": principal, "Condition": condition, **more}
    allow["Condition"] = {key: each for key, each in condition.items() if each}
    return document(allow)


def said(type_: str, **properties: Any) -> dict[str, list[str]]:
    made = resource(type_, **properties)
    found = {name: [text for danger in (True, False) for (text,) in violations(name, danger, made)] for name in RULES}
    return {name: texts for name, texts in found.items() if texts}


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("", {"unreadable-document"}),
        ("{", {"unreadable-document"}),
        ("[]", {"unreadable-document"}),
        (7, {"unreadable-document"}),
        ({"Statement": [WIDE]}, {"write-everything", "pass-any-role"}),
        (document("Allow"), {"unreadable-document"}),
        (document({"effect": "Allow", "Action": "*", "Resource": "*"}), {"unreadable-document"}),
        ('{"Statement": [], ' + document(WIDE)[1:], {"unreadable-document"}),
        ("[" * 100_000, {"unreadable-document"}),
        (document(WIDE).replace("2012-10-17", "2008-10-17"), {"write-everything", "pass-any-role"}),
        (document(WIDE | {"Action": "s3:GetObject"}), set()),
        (document(WIDE | {"Resource": UNKNOWN}), {"not-checked"}),
        (document(WIDE, WIDE | {"Action": UNKNOWN}), {"write-everything", "pass-any-role", "not-checked"}),
        (UNKNOWN, {"not-checked"}),
        ("[secret]", {"not-checked"}),
        (SIGNATURE | {"value": UNKNOWN}, {"not-checked"}),
        (None, set()),
    ],
)
def test_a_document_is_judged_or_said_not_to_be(written: Any, names: set[str]) -> None:
    """A guardrail that a document of another shape avoids is none."""
    assert {*said(POLICY, policy=written)} == names
    assert {*said(ROLE, inlinePolicies=[{"name": "a", "policy": written}])} == names


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(LEAVES, lambda of: st.lists(of) | st.dictionaries(st.text(), of), max_leaves=8)


@given(JSON, JSON, JSON)
def test_no_shape_of_properties_raises(one: Any, other: Any, third: Any) -> None:
    for text in (one, json.dumps(one)):
        said(ROLE, assumeRolePolicy=text, inlinePolicies=other, managedPolicyArns=third)
        resources = [
            resource(ROLE, assumeRolePolicy=text, arn=other),
            resource(ACCOUNT, metadata=third),
            resource(ACCOUNT, metadata={"name": one, "annotations": other}),
            resource(ASSOCIATION, namespace=one, serviceAccount=other, roleArn=third),
        ]
        list(mismatches(resources))


@pytest.mark.parametrize("action", ["*", "s3:GetObjects", "iam:PassRole", "hush", "s3:PutObject"])
@pytest.mark.parametrize("on", ["*", "hush", "arn:aws:s3:::hush/*"])
def test_nothing_of_a_secret_is_quoted(action: str, on: str) -> None:
    text = document(WIDE, {"Sid": "hush", "Effect": "Allow", "Action": action, "Resource": on})
    found = said(POLICY, policy=SIGNATURE | {"value": text})

    assert found
    assert not any("hush" in each or action in each for texts in found.values() for each in texts if action != "*")


def test_control_characters_stay_in_their_line() -> None:
    (text,) = said(POLICY, policy=document(WIDE | {"Action": "s3:Get\n::error::\x1b[2J"}))["unreadable-document"]

    assert "\x1b" not in text
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["found:", "allowed:", "do:"]


@pytest.mark.parametrize(
    ("audience", "operator", "names"),
    [
        ("sts.amazonaws.com", "StringEquals", set()),
        (["sts.amazonaws.com", "other"], "StringEquals", set()),
        ("sts.*", "StringLike", set()),
        (None, "StringEquals", {"missing-condition"}),
        ("*", "StringLike", {"missing-condition"}),
        ("other", "StringNotEquals", {"missing-condition"}),
    ],
)
def test_an_audience_is_asked_for(audience: Any, operator: str, names: set[str]) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html has it in the condition."""
    assert {*said(ROLE, assumeRolePolicy=trust("team:reader", audience, operator))} == names


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"Sid": "Any one"}, "wide-trust"),
        ({"Sid": "a\n"}, "wide-trust"),
        ({"Action": ["sts:AssumeRole", "s3:Get"]}, "wide-trust"),
        ({"NotPrincipal": {"AWS": "111122223333"}}, "unreadable-document"),
        ({"principal": "*"}, "unreadable-document"),
    ],
)
def test_nothing_in_a_trust_policy_hides_a_crowd(more: Any, name: str) -> None:
    """The attack: what is read as a live trust policy, and is left out of the lint, which is stricter."""
    everybody = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", **more}

    assert {*said(ROLE, assumeRolePolicy=document(everybody))} == {name}


def test_wide_trust_and_its_advice_for_any_program() -> None:
    texts = said(ROLE, assumeRolePolicy=trust("*:*"))["wide-trust"]

    assert "silence" not in texts[0]
    namespace = resource(ROLE, assumeRolePolicy=trust("team:*"))
    assert [len([*violations("wide-trust", danger, namespace)]) for danger in (True, False)] == [0, 1]
    (text,) = said(POLICY, policy=document(WIDE | {"Action": "s3:PutObject"}))["write-everything"]
    assert "arn:aws:s3:::my-bucket/*" in text


def resource(type_: str, name: str = "a", dependencies: Any = (), **properties: Any) -> Any:
    own = {"property_dependencies": dict.fromkeys(properties, dependencies), "props": read(properties)}
    return SimpleNamespace(resource_type=type_, urn=f"urn:pulumi:prod::somebody::{type_}::{name}", **own)


def account(arn: Any, dependencies: Any = (), name: Any = "reader") -> Any:
    annotations = {"eks.amazonaws.com/role-arn": arn} if arn else {}
    return resource(ACCOUNT, "account", dependencies, metadata={"name": name, "annotations": annotations})


def role(subject: Any = "default:reader", arn: Any = ARN, name: str = "role", **more: Any) -> Any:
    return resource(ROLE, name, assumeRolePolicy=trust(subject, **more), arn=arn)


def test_a_service_account_and_its_role() -> None:
    new = role("default:other", UNKNOWN)
    other = role("default:somebody", ARN + "2", "other")
    for resources, words in (
        ([role(), account(ARN)], []),
        ([role("default:*"), account(ARN)], []),
        ([role("default:other"), account(ARN)], ["does not admit it by IRSA"]),
        ([role(), account(None)], ["gets no role"]),
        ([role(), account(f"{ARN}s")], [f"gets {ARN}s"]),
        ([role(), other, account(ARN + "2")], ["does not admit", "trusts it, and by IRSA it gets other"]),
        ([role("default:other"), account("arn:aws:iam::111122223333:role/elsewhere")], []),
        ([new, account(UNKNOWN, [new])], ["does not admit"]),
        ([new, account(UNKNOWN)], ["not checked in preview"]),
        ([role(), account(ARN, name="x\n[31m")], ["does not admit"]),
    ):
        found = [text for text, _ in mismatches(resources)]
        assert len(found) == len(words), found
        assert all(word in text and "\n[31m" not in text for word, text in zip(words, found, strict=True))


def test_an_association_and_its_role() -> None:
    tags = {"aws:RequestTag/kubernetes-namespace": "team", "aws:RequestTag/kubernetes-service-account": "pods"}
    allow = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": tags}}
    allow["Principal"] = {"Service": "pods.eks.amazonaws.com"}
    pods = resource(ROLE, "pods", arn=ARN, assumeRolePolicy=document(allow))

    def given_to(name: str, arn: str = ARN) -> list[str]:
        association = resource(ASSOCIATION, namespace="team", serviceAccount=name, roleArn=arn)
        return [text for text, _ in mismatches([pods, association])]

    assert given_to("pods") == []
    assert "does not admit it by EKS Pod Identity" in given_to("other")[0]
    assert "pods trusts it" in given_to("pods", ARN + "2")[0]


def test_a_secret_of_a_stack_is_not_quoted() -> None:
    secret = account(SIGNATURE | {"value": ARN})
    ((text, _),) = mismatches([role("default:other"), secret])

    assert ARN not in text
    assert "reader" not in text
