"""Names that IAM and Kubernetes allow, and automatic names.

IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
Kubernetes: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from irsa.rules.mistakes import Located, Mistake, shortened
from irsa.rules.mistakes import likely as likely_name

LONGEST_PATH = 512
IAM_NAME = "[A-Za-z0-9_+=,.@-]+"
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
ENDS = "starting and ending with a letter or digit"
# The API takes more signs in a role's path; the page above and the webhook of EKS, which reads the role's ARN, do not:
# https://github.com/aws/amazon-eks-pod-identity-webhook
PATH = "/([A-Za-z0-9_+=,.@/-]+/)?"
POLICY_PATH = r"((/[A-Za-z0-9.,+@=_-]+)*)/"


class NameRule(NamedTuple):
    """A kind of name: the most characters, the pattern, and the pattern in words."""

    kind: str
    longest: int
    pattern: str
    words: str
    letters_of_any_script: bool = False


IAM_WORDS = "letters, digits and _+=,.@-"
ROLE_NAMES = NameRule("an IAM role name", 64, IAM_NAME, IAM_WORDS)
# Terraform and so the Pulumi provider append 26 characters to a prefix.
ROLE_PREFIX = NameRule("an IAM role name prefix", 38, IAM_NAME, IAM_WORDS)
POLICY = NameRule("an IAM policy name", 128, IAM_NAME, IAM_WORDS)
POLICY_PREFIX = NameRule("an IAM policy name prefix", 102, IAM_NAME, IAM_WORDS)
INLINE_POLICY = NameRule("an inline policy name", 128, IAM_NAME, IAM_WORDS)
ROLE_PATH = NameRule("an IAM path", LONGEST_PATH, PATH, f"`/`, or {IAM_WORDS} between slashes, such as /team/")
POLICY_PATH_WORDS = "`/`, or names between slashes, such as /team/app/"
MANAGED_POLICY_PATH = NameRule("an IAM policy path", LONGEST_PATH, POLICY_PATH, POLICY_PATH_WORDS)
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html, API_Tag.html. AWS keeps `aws:` in front to itself:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
DESCRIPTION = NameRule(
    "an IAM description", 1000, r"[\t\n\r\x20-\x7e\xa1-\xff]*", "letters, digits and signs of Latin-1"
)
TAG_WORDS = "letters, digits, spaces and _.:/=+-@, not starting with aws:"
TAG_KEY = NameRule("a tag key", 128, r"(?!(?i:aws):)[\w .:/=+\-@]+", TAG_WORDS, letters_of_any_script=True)
TAG_VALUE = NameRule("a tag value", 256, r"(?!(?i:aws):)[\w .:/=+\-@]*", TAG_WORDS, letters_of_any_script=True)
NAMESPACE = NameRule("a namespace", 63, LABEL, f"lower-case letters, digits and -, {ENDS}")
SERVICE_ACCOUNT_NAMES = NameRule(
    "a service account name", 253, SUBDOMAIN, f"lower-case letters, digits, - and ., {ENDS}"
)
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
QUALIFIED = r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
KEY_WORDS = "letters, digits and -_. (at most 63), optionally after a DNS subdomain and /"
KEY_PATTERN = rf"((?=[^/]{{1,253}}/){SUBDOMAIN}/)?{QUALIFIED}"
KUBERNETES_KEY = NameRule("a Kubernetes label or annotation key", 317, KEY_PATTERN, KEY_WORDS)
LABEL_VALUE = NameRule("a Kubernetes label value", 63, rf"({QUALIFIED})?", f"letters, digits and -_., {ENDS}")
SECRET = NameRule("the name of a Secret", 253, SUBDOMAIN, "lower-case letters, digits, - and .")
# https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
CLUSTER = NameRule("the name of an EKS cluster", 100, r"[0-9A-Za-z][A-Za-z0-9_-]*", "letters, digits, - and _")
# https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html
ASSOCIATION_ID = NameRule("the ID of a Pod Identity association", 64, "a-[a-z0-9]+", "a- and letters and digits")
# The word before the number: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
DIRECTIONS = ("central", "north", "south", "east", "west", "northeast", "northwest", "southeast", "southwest")
REGION = NameRule(
    "an AWS region", 32, rf"[a-z]+(-[a-z]+)*-({'|'.join(DIRECTIONS)})-[0-9]+", "a region, such as us-west-2"
)
# Names of resources start with keys of a stack file: IAM's characters, without the `@` before the child's part.
KEY = NameRule("a key", 100, r"[\w+=,.-]+", "letters, digits and _+=,.-")
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
# and, as a part of the trust policy, only characters that IAM accepts in one.
AUDIENCE = NameRule(
    "an audience", 255, r"[\t\n\r\x20-\xff]+", "the client ID of an OIDC provider, in Latin-1, not empty"
)
# It becomes part of a logical name, in which Pulumi reserves `::`.
ATTACHMENT_KEY = NameRule(
    "a key of an attached policy", 640, r"[\w+=,.@/-]+(:[\w+=,.@/-]+)*", "letters, digits and _+=,.@/-:"
)


def check_name(text: str, rule: NameRule) -> str:
    """Return the name when it follows its rule.

    Raises:
        Mistake: It is empty, too long or contains a character that is not allowed.
    """
    if len(text) <= rule.longest and re.fullmatch(rule.pattern, text, 0 if rule.letters_of_any_script else re.ASCII):
        return text
    found, fix = f"{shortened(text)} is not {rule.kind}", "write another name"
    allowed = f"at most {rule.longest} characters: {rule.words}"
    if len(text) > rule.longest:
        found, fix = f"{shortened(text)} has {len(text)} characters, too many for {rule.kind}", "write a shorter one"
    elif rule in (NAMESPACE, SERVICE_ACCOUNT_NAMES) and re.search(r"[*?]", text):
        raise Mistake(found, allowed, "name exactly one; wildcards are allowed in {} only", ("trust", "subjects"))
    else:
        path = (f"/{text.strip('/')}/",) if rule in (ROLE_PATH, MANAGED_POLICY_PATH) else ()
        likely = (text.lower(), text.lower().replace("_", "-"), *path, text.replace(" ", "-"))
        likely = (_near_region(text),) if rule is REGION else likely
        near = next((name for name in likely if text and re.fullmatch(rule.pattern, name, re.ASCII)), None)
        otherwise = "write a region of AWS" if rule is REGION else "remove the characters that are not allowed"
        fix = f"did you mean {near!r}?" if near else otherwise
        above, _, name = text.strip("/").rpartition("/")
        is_path = rule in (ROLE_NAMES, ROLE_PREFIX) and above and re.fullmatch(PATH, f"/{above}/", re.ASCII)
        if is_path and re.fullmatch(rule.pattern, name, re.ASCII):
            raise Mistake(found, allowed, f"write the name {name}, and {{}}: /{above}/", ("role", "path"))
    raise Mistake(found, allowed, fix)


def _near_region(text: str) -> str:
    """Return a region as it is meant; what was written, where no direction is similar."""
    parts = re.fullmatch(r"([a-z]+(?:[-_ ][a-z]+)*)[-_ ]([a-z]+)[-_ ]?([0-9]+)", text.strip().lower())
    direction = likely_name(parts[2], DIRECTIONS) if parts else None
    return f"{re.sub('[_ ]', '-', parts[1])}-{direction}-{parts[3]}" if parts and direction else text


def automatic_name_prefix(logical_name: str, rule: NameRule, prefix_rule: NameRule) -> str | None:
    """Return the prefix for a logical name that is too long for Pulumi's automatic name, or None when it fits.

    Pulumi appends `-` and 7 random characters, and fails when the name becomes too long. The prefix is shortened and
    contains a hash of the whole name, so that two long names never share one.
    """
    if len(logical_name) + len("-1234567") <= rule.longest:
        return None
    return _with_hash(logical_name, prefix_rule)


def prefix_of(name: str, prefix_rule: NameRule) -> str:
    """Return the prefix of an automatic name that starts with this one; that of a long one has a hash, as above."""
    if len(name) < prefix_rule.longest:
        return f"{name}-"
    return _with_hash(name, prefix_rule)


def _with_hash(name: str, prefix_rule: NameRule) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: prefix_rule.longest - len(digest) - 2]}-{digest}-"


def snake(name: str) -> str:
    """Return a key of a stack file, or Pulumi's name of an input, as Python has it: `hosted_zones`."""
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def role_tags_mistakes(keys: Iterable[str]) -> Iterator[Located]:
    """Yield the keys of a role's tags that differ from an earlier one in case only: IAM refuses the role, or drops one.

    The keys of a policy's tags are case-sensitive. Source:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html ("Rules for tagging in IAM and AWS STS").
    """
    first: dict[str, str] = {}
    for key in keys:
        other = first.setdefault(key.lower(), key)
        if other != key:
            found = f"the tag keys {other!r} and {key!r}, which are the same key for IAM"
            yield (key,), Mistake(found, "keys that differ in more than case", "remove one of them")
