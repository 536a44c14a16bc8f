"""The rule of issuers that are gone, for any AWS accounts and lists: stated once more, by what each list says."""

from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.issuers import Issuers, Standing
from irsa_cli.live.model import LiveAwsAccount, LiveCluster

REGIONS = ["us-west-2", "eu-central-1"]
OF_REGION = {region: [f"oidc.eks.{region}.amazonaws.com/id/{name}" for name in "ABC"] for region in REGIONS}
OTHERS = ["token.actions.githubusercontent.com", "oidc.example.com/prod"]
ISSUERS = [*(issuer for issuers in OF_REGION.values() for issuer in issuers), *OTHERS]


def lists(region: str) -> st.SearchStrategy[frozenset[str] | None]:
    urls = st.sampled_from([f"https://{issuer}" for issuer in OF_REGION[region]])
    return st.none() | st.frozensets(urls)


LISTS = st.fixed_dictionaries({}, optional={region: lists(region) for region in REGIONS})


@given(st.lists(LISTS, max_size=3), st.sets(st.sampled_from(ISSUERS)), st.sampled_from(ISSUERS))
def test_only_lists_that_were_all_read_say_that_an_issuer_is_gone(
    of_aws_accounts: list[dict[str, frozenset[str] | None]], read: set[str], issuer: str
) -> None:
    """Protects live clusters, in whichever AWS account they are, and whatever else was denied."""
    aws_accounts = [LiveAwsAccount(str(number), (), {}, each) for number, each in enumerate(of_aws_accounts)]
    issuers = Issuers([LiveCluster(each, f"https://{each}", ()) for each in read], aws_accounts)
    of_region = [
        found
        for each in of_aws_accounts
        for region, found in each.items()
        if f"oidc.eks.{region}." in issuer
    ]  # fmt: skip
    somewhere = issuer in read or any(f"https://{issuer}" in (found or ()) for found in of_region)

    assert (issuers.standing(issuer) is Standing.KNOWN) == somewhere
    assert (issuers.standing(issuer) is Standing.GONE) == (
        not somewhere and bool(of_region) and all(found is not None for found in of_region)
    )
