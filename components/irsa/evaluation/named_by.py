"""Whether the conditions of a trust policy name somebody, where the principal of a statement stands for a crowd.

AWS says who a caller is: its AWS account, its organization, its network. What the caller chooses names nobody: the name
of a session, a region, an external ID, a tag in an AWS account of its own. Sources:

- https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html: the keys that begin with
  `aws:`, each under #condition-keys- and its name in lower case; those of STS are in
  reference_policies_iam-condition-keys.html
- https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html: "fixed values", those
  without wildcard or policy variable, and IP ranges that are as good as all
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from irsa.evaluation.document import Condition, Statement
from irsa.rules.grammar import Operator, split_operator
from irsa.rules.trust import ACTION

# To S3, a range is somebody's from /8 on, or /32 of IPv6.
_NETWORK = r"(?i:[\d.]+(/([89]|[12]\d|3[0-2]))?|[\da-f:.]*:[\da-f:.]*(/(3[2-9]|[4-9]\d|1[0-2]\d))?)"

# What each key's value must be to name somebody: a regular expression for the whole of it, wildcards included. Other
# keys have what the caller chooses, what every caller has, or what is not known here.
_FIXED = r"[^*?]+"
_ACCOUNT = rf"\**\d{{12}}\**|{_FIXED}"
_ORGANIZATION_PATH = rf"o-[^*?/]+/.*|{_FIXED}"
# With a string operator, a wildcard before the AWS account takes in colons too, and a role's path may have these
# (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html): arn:aws:iam::*:role/:111122223333:role/a.
_ARN = r"[^*?:]*:[^*?:]*:[^*?:]*:[^*?:]*:\d{12}.*"
_ARN_IN_PARTS = r"[^:]*:[^:]*:[^:]*:[^:]*:\d{12}:.*"
_NAMING = {
    "aws:principalaccount": _ACCOUNT,
    "aws:principalarn": _ARN,
    "aws:principalorgid": _FIXED,
    "aws:principalorgpaths": _ORGANIZATION_PATH,
    "aws:sourceaccount": _ACCOUNT,
    "aws:sourcearn": _ARN,
    "aws:sourceip": r"\d+\.[^/]*|[^*?/]+",
    "aws:sourceorgid": _FIXED,
    "aws:sourceorgpaths": _ORGANIZATION_PATH,
    "aws:sourcevpc": _FIXED,
    "aws:sourcevpce": _FIXED,
    # The unique ID of a user or a role is never used again; a role's is followed by the session's name:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    "aws:userid": rf"[^*?:]+:.*|{_FIXED}",
    "aws:vpceaccount": _ACCOUNT,
    "aws:vpceorgid": _FIXED,
    "aws:vpceorgpaths": _ORGANIZATION_PATH,
}
# A policy variable is as the caller is; of the role itself there are these.
_VARIABLE = r"\$\{([^{}]*)\}"
_OF_THE_ROLE = {"aws:resourceaccount": "000000000000", "aws:resourceorgid": "o-0000000000"}
_SUBJECT = rf"system:serviceaccount:[^*?:]+:.*|{_FIXED}"
_CLAIM = r"[^:/]+\.[^:/]+[:/].*"


class Crowd(NamedTuple):
    """Those who share a principal, although nobody knows them all.

    Attributes:
        noun: Who they are.
        expected: Who should be in their place.
        fix: What names somebody.
        claims: Of the provider's claims, those that name somebody, and what their value must be.
    """

    noun: str
    expected: str
    fix: str
    claims: Mapping[str, str]


_NAME_THEM = "name the principal, or add a Condition that does, such as on aws:PrincipalOrgID"
ANYBODY = Crowd("anybody", "named principals", _NAME_THEM, {})
# GitHub's customers choose which claims are in `sub`, not the values, where a colon is %3A. IDs may follow names, after
# an @. https://docs.github.com/en/actions/reference/security/oidc
_OF_GITHUB = (
    r"(.*:)?((repo|repository):[^*?:/]+[/@].*"
    r"|(repository_owner|repository_owner_id|repository_id|enterprise|enterprise_id):[^*?:]+(:.*)?)"
)
# `organization:ORGANIZATION:...`, `project_path:GROUP/...`: a whole name after the first word.
_OF_OTHERS = rf"[^*?:]+:[^*?:/]+[:/].*|{_FIXED}"


def _shared(issuer: str, noun: str, whose: str, subject: str = _OF_OTHERS) -> tuple[str, Crowd]:
    name, crowd = _built_in(issuer, noun, whose, "sub")
    return f"oidc-provider/{name}", crowd._replace(claims={"sub": subject})


def _built_in(name: str, noun: str, whose: str, claim: str, *others: str) -> tuple[str, Crowd]:
    fix = f"add a Condition on {name}:{claim} that names {whose}"
    return name, Crowd(noun, f"only {whose}", fix, dict.fromkeys((claim, *others), _FIXED))


# Issuers that many share, by the end of the principal. Those whose tenants differ in `aud` are left out, since an OIDC
# provider lists its audiences: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
# Those that IAM has built in, and their claims: reference_policies_iam-condition-keys.html#condition-keys-wif
_CROWDS = dict(
    [
        _shared("agent.buildkite.com", "any pipeline on Buildkite", "your organization"),
        _shared("app.terraform.io", "any workspace on HCP Terraform", "your organization"),
        _shared("gitlab.com", "any project on GitLab.com", "your group or project"),
        _shared("oidc.codefresh.io", "any pipeline on Codefresh", "your account"),
        _shared(
            "oidc-configuration.audit-log.githubusercontent.com",
            "the audit log of any enterprise on GitHub",
            "your enterprise",
        ),
        _shared("proidc.upbound.io", "any control plane on Upbound", "your organization"),
        _shared("scalr.io", "any workspace on Scalr", "your account"),
        _shared("token.actions.githubusercontent.com", "any repository on GitHub", "your organization", _OF_GITHUB),
        _built_in("accounts.google.com", "anybody with a Google account", "your app's ID", "aud", "oaud", "sub"),
        _built_in(
            "cognito-identity.amazonaws.com",
            "anybody with a Cognito identity pool",
            "your identity pool",
            *("aud", "sub"),
        ),
        _built_in("graph.facebook.com", "anybody with a Facebook account", "your app's ID", "app_id", "id"),
        _built_in("www.amazon.com", "anybody with an Amazon account", "your app's ID", "app_id", "user_id"),
    ]
)
_EVERYBODY = {("*", "*"), ("AWS", "*")}
_ASSUMING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", ACTION)


def crowd_of(principal: tuple[str, str]) -> Crowd | None:
    """Return the crowd that a principal, a type and a name, stands for; None where it is one that somebody has."""
    type_, name = principal
    if principal in _EVERYBODY:
        return ANYBODY
    return _CROWDS.get(name.rpartition(":")[2].lower()) if type_ == "Federated" else None


def crowds(statements: Mapping[int, Statement], variables: bool = True) -> Iterator[tuple[int, Crowd]]:
    """Yield the Allow statements whose conditions name nobody of a crowd, which is their principal.

    Args:
        statements: The statements, by their places.
        variables: Whether the document's version has policy variables.
    """
    for place, allow in statements.items():
        for principal in dict.fromkeys(allow.principals) if allow.effect == "Allow" else ():
            crowd, actions = crowd_of(principal), _ASSUMING if principal in _EVERYBODY else (ACTION,)
            if crowd and any(map(allow.covers, actions)) and not _is_named(allow.conditions, variables):
                yield place, crowd


def _is_named(conditions: Iterable[Condition], variables: bool) -> bool:
    """Return whether a condition names somebody, on a key that a request must have."""
    compared = [(each, operator) for each in conditions if (operator := split_operator(each.operator))]
    present = {each.key.lower() for each, operator in compared if _is_demanded(each, operator)}
    return any(each.key.lower() in present and _names(each, operator.name, variables) for each, operator in compared)


def _is_demanded(condition: Condition, operator: Operator) -> bool:
    if operator.name == "Null":
        return {each.lower() for each in condition.wanted} == {"false"}
    return "Not" not in operator.name and operator.of_set != "ForAllValues" and not operator.if_exists


def _names(condition: Condition, operator: str, variables: bool) -> bool:
    """Return whether each value of a condition names somebody."""
    pattern = _pattern(condition.key.lower(), operator)
    if not pattern or "Not" in operator or operator.startswith(("Null", "Numeric", "Date", "Bool")):
        return False

    def of_the_role(variable: re.Match[str]) -> str:
        return _OF_THE_ROLE.get(variable[1].lower(), "*")

    values = (re.sub(_VARIABLE, of_the_role, each) if variables else each for each in condition.wanted)
    return all(re.fullmatch(pattern, each.strip(), re.DOTALL) for each in values)


def _pattern(key: str, operator: str) -> str | None:
    """Return what a value of a key must match to name somebody."""
    if key == "aws:sourceip" and operator == "IpAddress":
        return _NETWORK
    if key in _NAMING:
        return _ARN_IN_PARTS if _NAMING[key] == _ARN and operator.startswith("Arn") else _NAMING[key]
    issuer, _, claim = key.rpartition(":")
    crowd = _CROWDS.get(issuer) or _CROWDS.get(f"oidc-provider/{issuer}")
    if crowd:
        return crowd.claims.get(claim)
    # A token of another issuer comes by an OIDC provider that somebody created in the role's AWS account.
    return _SUBJECT if claim == "sub" and re.fullmatch(_CLAIM, key) else None
