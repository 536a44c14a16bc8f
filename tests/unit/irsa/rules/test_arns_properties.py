from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.arns import EXAMPLES, parse_iam_arn
from irsa.rules.mistakes import Mistake

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html#arns-syntax, and names of IAM's API reference.
NAMES = st.from_regex(r"[A-Za-z0-9+=,.@_-]{1,64}", fullmatch=True)
# The resource of an OIDC provider is its issuer's host and path.
HOSTS = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){1,3}", fullmatch=True)
PARTITIONS = st.sampled_from(["aws", "aws-cn", "aws-us-gov"])
AWS_ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)
NEARLY = st.lists(
    st.sampled_from(
        ["arn", "aws", "iam", "s3", "", "111122223333", "12", "role/r", "policy/p", "role", "role/", "r/*"]
    ),
    min_size=1,
    max_size=8,
).map(":".join)


@given(PARTITIONS, AWS_ACCOUNTS, st.sampled_from([*EXAMPLES]), HOSTS, st.lists(NAMES, min_size=1, max_size=3))
def test_an_arn_is_its_parts(partition: str, aws_account: str, kind: str, host: str, names: list[str]) -> None:
    names = [host, *names] if kind == "oidc-provider" else names
    text = f"arn:{partition}:iam::{aws_account}:{kind}/{'/'.join(names)}"
    arn = parse_iam_arn(text, kind)

    assert (arn.partition, arn.account_id, arn.type, arn.resource) == (partition, aws_account, kind, "/".join(names))
    assert arn.name == names[-1]
    assert str(arn) == text


@given(st.one_of(st.text(max_size=60), NEARLY), st.sampled_from([*EXAMPLES]))
def test_whatever_is_read_is_written_the_same(text: str, kind: str) -> None:
    try:
        arn = parse_iam_arn(text, kind)
    except Mistake:
        return
    assert str(arn) == text
    assert text.startswith(f"arn:{arn.partition}:iam::{arn.account_id}:{kind}/")
