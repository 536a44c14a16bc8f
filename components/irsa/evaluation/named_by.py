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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from irsa.evaluation.answers import all_of, any_of
from irsa.evaluation.document import Condition, Statement
from irsa.rules.grammar import split_operator
from irsa.rules.trust import ACTION

# IP ranges that are somebody's: few networks, /8 to /23 and /32 to /47, beside any number of small ones.
_NETWORK = re.compile(r"[\d.]+/([89]|1\d|2[0-3])|[\da-f:.]*:[\da-f:.]*/(3[2-9]|4[0-7])", re.IGNORECASE)
_SMALL = re.compile(r"[\d.]+(/(2[4-9]|3[0-2]))?|[\da-f:.]*:[\da-f:.]*(/(4[89]|[5-9]\d|1[0-2]\d))?", re.IGNORECASE)
_EVERY_ADDRESS = re.compile(r"[\da-f:.]+/[0-7]|[\da-f:.]*:[\da-f:.]*/([89]|[12]\d|3[01])", re.IGNORECASE)
MOST_NETWORKS = 4

# What each key's value must be to name somebody: a regular expression for the whole of it, wildcards included.
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
# What the caller chooses, what every caller has, and what is said of the role. A private address is anybody's in a VPC.
_NAMES_NOBODY = (
    r"aws:(currenttime|epochtime|tokenissuetime|multifactorauth(age|present)|securetransport|requestedregion|referer"
    r"|useragent|username|principaltype|sourceidentity|tagkeys|vpcsourceip|viaawsservice|calledvia(first|last)?"
    r"|resource(account|orgid|orgpaths)|(principal|request|resource)tag/.*)"
    r"|sts:(externalid|rolesessionname|sourceidentity|transitivetagkeys|durationseconds)|iam:resourcetag/.*"
)
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


def names_somebody(
    allow: Statement, principal: tuple[str, str], statements: Iterable[Statement], variables: bool = True
) -> bool | None:
    """Return whether the conditions of an Allow statement let in only somebody of a crowd; None where a Deny may.

    Args:
        allow: The statement.
        principal: The one of its principals that stands for a crowd.
        statements: All statements of the trust policy.
        variables: Whether the document's version has policy variables.
    """
    actions = [each for each in (_ASSUMING if principal in _EVERYBODY else (ACTION,)) if allow.covers(each)]
    named = _is_named(allow, variables) if actions else True
    denials = (each for each in statements if each.effect == "Deny" and {*_EVERYBODY, principal} & {*each.principals})
    # Whom a Deny leaves out is not told.
    return None if named is False and any(one.covers(each) for one in denials for each in actions) else named


def crowds(statements: Mapping[int, Statement], variables: bool = True) -> Iterator[tuple[int, Crowd, bool]]:
    """Yield the Allow statements that let in a crowd: the place, the crowd, and whether that is certain."""
    for place, allow in statements.items():
        for principal in dict.fromkeys(allow.principals) if allow.effect == "Allow" else ():
            crowd = crowd_of(principal)
            named = names_somebody(allow, principal, statements.values(), variables) if crowd else True
            if crowd and not named:
                yield place, crowd, named is False


class _Demand(NamedTuple):
    """What a condition demands of a request that is let in.

    Attributes:
        key: The condition key, in lower case.
        is_there: Whether the request must have the key.
        names: Whether the values that the key may have, if it is there, name somebody; None where that is not known.
    """

    key: str
    is_there: bool
    names: bool | None


def _is_named(allow: Statement, variables: bool) -> bool | None:
    """Return whether the conditions of an Allow statement let in only somebody."""
    demands = [_demand(each, variables) for each in allow.conditions]
    there = {each.key for each in demands if each.is_there}
    return any_of(all_of((each.key in there, each.names)) for each in demands)


def _demand(condition: Condition, variables: bool) -> _Demand:
    key, operator = condition.key.lower(), split_operator(condition.operator)
    if operator is None:
        return _Demand(key, True, None)
    of_set, name, if_exists = operator
    if name == "Null":
        return _Demand(key, {each.lower() for each in condition.wanted} == {"false"}, False)
    if name.startswith(("Numeric", "Date", "Bool")):
        return _Demand("", True, False if re.fullmatch(_NAMES_NOBODY, key) else None)
    if "Not" in name:
        return _Demand(key, False, False)
    is_there = not (of_set == "ForAllValues" or if_exists)
    if key == "aws:sourceip" and name == "IpAddress":
        return _Demand(key, is_there, _are_narrow([each.strip() for each in {*condition.wanted}]))
    return _Demand(key, is_there, all_of(_names(key, name, value, variables) for value in condition.wanted))


def _names(key: str, operator: str, value: str, variables: bool) -> bool | None:
    """Return whether a value of a key names somebody."""
    pattern = _pattern(key, operator)
    if not isinstance(pattern, str):
        return pattern
    text = re.sub(_VARIABLE, lambda found: _OF_THE_ROLE.get(found[1].lower(), "*"), value) if variables else value
    if re.fullmatch(pattern, text, re.DOTALL):
        return True
    if pattern == _SUBJECT:
        return None  # many may share an issuer, or nobody
    # A wildcard that is compared literally is no fixed value to S3, and no request has it.
    is_pattern = "*" in text or "?" in text
    return False if is_pattern and (text != value or operator.startswith("Arn") or operator.endswith("Like")) else None


def _pattern(key: str, operator: str) -> str | bool | None:
    """Return what a value of a key must match to name somebody, or whether any value does."""
    if key in _NAMING:
        return _ARN_IN_PARTS if _NAMING[key] == _ARN and operator.startswith("Arn") else _NAMING[key]
    if re.fullmatch(_NAMES_NOBODY, key):
        return False
    issuer, _, claim = key.rpartition(":")
    crowd = _CROWDS.get(issuer) or _CROWDS.get(f"oidc-provider/{issuer}")
    if crowd:
        # Whoever asks for a token chooses its audience; `amr` of Cognito says only whether its user logged in.
        return crowd.claims.get(claim, False if claim in ("aud", "amr") else None)
    # A token of another issuer comes by an OIDC provider that somebody created in the role's AWS account.
    return _SUBJECT if claim == "sub" and re.fullmatch(_CLAIM, key) else None


def _are_narrow(ranges: Sequence[str]) -> bool | None:
    """Return whether IP ranges are somebody's; False where one is as good as all to S3."""
    if any(map(_EVERY_ADDRESS.fullmatch, ranges)):
        return False
    networks = [*filter(_NETWORK.fullmatch, ranges)]
    are_known = all(each in networks or _SMALL.fullmatch(each) for each in ranges)
    return True if are_known and len(networks) <= MOST_NETWORKS else None
