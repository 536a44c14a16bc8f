"""Whose policy a document is: what irsa writes is read back, and nothing else is taken for it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.document import Where, document, managed_policies
from irsa.add_ons.parameters import EVERYTHING, PARAMETERS, SWITCHES
from irsa_cli.add_ons.recognition import in_place, known_as, of_managed_policy, recognised

WHERES = [
    Where("aws", "111122223333", ["us-west-2"]),
    Where("aws-us-gov", "111122223333", ["us-gov-west-1", "us-gov-east-1"]),
    Where("aws", "*", ["*"]),
]
REGION, AWS_ACCOUNT = "us-west-2", "111122223333"
# By the formats of https://docs.aws.amazon.com/service-authorization/latest/reference/.
VALUES: Mapping[str, list[str]] = {
    "cluster_names": ["a", "my-cluster", "B_2"],
    "hosted_zones": ["Z1", "Z0123456789ABCDEFGHIJ"],
    "buckets": ["my-bucket", "a.b.c"],
    "kms_keys": [f"arn:aws:kms:{REGION}:{AWS_ACCOUNT}:key/mrk-1", f"arn:aws:kms:eu-west-1:{AWS_ACCOUNT}:key/2"],
    "secrets": [f"arn:aws:secretsmanager:{REGION}:{AWS_ACCOUNT}:secret:{each}" for each in ("a/*", "b-??????")],
    "ssm_parameters": [f"arn:aws:ssm:{REGION}:{AWS_ACCOUNT}:parameter/{each}" for each in ("a", "a/b/*")],
    "file_systems": ["fs-01234567", "fs-0123456789abcdef0"],
    "node_roles": [f"arn:aws:iam::{AWS_ACCOUNT}:role/{each}" for each in ("nodes", "eks/nodes")],
    "interruption_queues": [f"arn:aws:sqs:{REGION}:{AWS_ACCOUNT}:{each}" for each in ("q", "q.fifo")],
}


@st.composite
def given_add_ons(draw: st.DrawFn) -> tuple[str, str, str | None, dict[str, Any], Where]:
    """Return the name of an add-on, a version, a scope, parameters of it that fit, and a place."""
    name = draw(st.sampled_from(names()))
    each = add_on(name)
    version = draw(st.sampled_from([*each.versions]))
    scope = draw(st.sampled_from([None, EVERYTHING] if each.everything else [None]))
    assume(not managed_policies(each, version, scope))
    required = {parameter for parameter, taken in each.parameters.items() if taken.required}
    of_scope = required | {*each.require_one_of}
    chosen = draw(st.sets(st.sampled_from(sorted(each.parameters)))) if each.parameters else set()
    chosen = chosen - of_scope if scope else chosen | required
    assume(scope or not each.require_one_of or chosen & {*each.require_one_of})
    lists = {
        parameter: draw(st.lists(st.sampled_from(VALUES.get(parameter) or [PARAMETERS[parameter].example]), min_size=1))
        for parameter in sorted(chosen - SWITCHES.keys())
    }
    return (
        name,
        version,
        scope,
        {**lists, **dict.fromkeys(chosen & SWITCHES.keys(), True)},
        draw(st.sampled_from(WHERES)),
    )


@given(given_add_ons(), st.randoms(use_true_random=False))
def test_what_is_written_is_read_back(chosen: tuple[Any, ...], random: Any) -> None:
    """Protects who adopts: in any order of statements, actions and resources, it is the same add-on for the same."""
    name, version, scope, parameters, where = chosen
    written = document(add_on(name), version, scope, parameters, where)
    assume(written["Statement"])
    shuffled = json.loads(json.dumps(written))
    random.shuffle(shuffled["Statement"])
    for statement in shuffled["Statement"]:
        for element in ("Action", "Resource"):
            statement[element] = (
                random.sample(statement[element], len(statement[element]))
                if isinstance(statement[element], list)
                else [statement[element]]
            )
    found = recognised(shuffled)

    assert found is not None
    assert (found.add_on.name, found.scope) == (name, scope)
    again = {key: {*each} if isinstance(each, list) else each for key, each in found.parameters.items()}
    assert again == {key: {*each} if isinstance(each, list) else each for key, each in parameters.items()}
    # An older version may have the same document.
    assert [*found.add_on.versions].index(found.version) <= [*found.add_on.versions].index(version)


@given(given_add_ons(), st.data())
def test_another_document_is_not_taken_for_it(chosen: tuple[Any, ...], data: st.DataObject) -> None:
    """Protects permissions: one action, resource, effect or Sid that differs, and it is somebody's own policy."""
    name, version, scope, parameters, where = chosen
    written = json.loads(json.dumps(document(add_on(name), version, scope, parameters, where)))
    assume(written["Statement"])
    statement = data.draw(st.sampled_from(written["Statement"]))
    change = data.draw(
        st.sampled_from(
            [
                {"Action": "s3:PutBucketPolicy"},
                {"Resource": "arn:aws:s3:::somebody-elses"},
                {"Effect": "Deny"},
                {"Sid": "Mine"},
                {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            ]
        )
    )
    statement.update(change)

    assert recognised(written) is None


# pkg/cfn/builder/statement.go of eksctl: two policies of one role.
EKSCTL = [
    {"Effect": "Allow", "Action": ["route53:ChangeResourceRecordSets"], "Resource": ["arn:aws:route53:::hostedzone/*"]},
    {
        "Effect": "Allow",
        "Action": ["route53:ListHostedZones", "route53:ListResourceRecordSets", "route53:ListTagsForResource"],
        "Resource": ["*"],
    },
]
MOUNTED = {
    "Effect": "Allow",
    "Action": [
        *("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"),
        *("kms:Decrypt", "kms:GenerateDataKey"),
    ],
    "Resource": "*",
}
USUAL = ["external-dns:external-dns"]


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


@pytest.mark.parametrize(
    ("documents", "subjects", "expected"),
    [
        ([policy(each) for each in EKSCTL], [], ("external-dns", "eksctl's wellKnownPolicies.externalDNS")),
        ([policy(*EKSCTL)], [], ("external-dns", "eksctl's wellKnownPolicies.externalDNS")),
        # Somebody's own words: only the service account says what it is for.
        ([policy(EKSCTL[0])], [], None),
        ([policy(EKSCTL[0])], USUAL, ("external-dns", "")),
        ([policy({"Effect": "Allow", "Action": "route53:*", "Resource": "*"})], USUAL, ("external-dns", "")),
        ([policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})], USUAL, None),
        # terraform-aws-iam's for Mountpoint, and any application's that keeps files in S3.
        ([policy(MOUNTED)], ["team-a:app"], None),
        (
            [policy(MOUNTED)],
            ["kube-system:s3-csi-driver-sa"],
            ("mountpoint-s3", "terraform-aws-iam's attach_mountpoint_s3_csi_policy (v6) with keys"),
        ),
        ([policy()], USUAL, None),
        ([], USUAL, None),
    ],
)
def test_what_others_write_is_known(
    documents: list[Any], subjects: list[str], expected: tuple[str, str] | None
) -> None:
    """Protects who comes from eksctl or writes by hand: it is told apart from what is none of the add-ons."""
    found = known_as(documents, subjects)

    assert (found and (found.add_on.name, found.by.split(",")[0])) == expected


def test_what_is_read_back_of_others() -> None:
    """Protects who pastes the add-on in place of a policy: names that the policy has are there, and no others."""
    velero = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::backups/*"}

    assert in_place(add_on("velero"), [policy(velero)]) == {"buckets": ["backups"]}
    assert in_place(add_on("external-dns"), [policy(*EKSCTL)]) == {}
    assert in_place(add_on("external-secrets"), [policy({**velero, "Action": "secretsmanager:CreateSecret"})]) == {
        "push": True
    }


@pytest.mark.parametrize(
    ("key", "subjects", "expected"),
    [
        ("AmazonEKS_CNI_Policy", [], "vpc-cni"),
        ("AmazonEKS_CNI_Policy", USUAL, "vpc-cni"),
        ("AmazonS3FullAccess", USUAL, "external-dns"),
        ("AmazonS3FullAccess", [], None),
        # Of two of them.
        ("AWSXrayWriteOnlyAccess", [], None),
    ],
)
def test_policies_of_aws(key: str, subjects: list[str], expected: str | None) -> None:
    """Protects who has an AWS managed policy attached: which add-on has it, and no guess where several do."""
    found = of_managed_policy(key, subjects)

    assert (found and found.name) == expected
