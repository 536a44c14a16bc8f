"""How each argument of IdentityGuard is read."""

from irsa.fields import Field, Group, Listed, named_by, plain_identity, several, string_of, with_keys
from irsa.guard.modes import check_exception, check_mode
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.names import RULES, check_name

DECIDES = "it decides which resources exist"


def check_stack(name: str) -> None:
    """Check the name of a stack, of which the policies' names are made.

    Raises:
        Mistake: It is empty.
    """
    if not name:
        raise Mistake("an empty string", "the name of the stack", "write it, or remove the argument")


def check_user(name: str) -> None:
    """Check the name of a user or a group, of which the guard's ConfigMaps have one in each line.

    Raises:
        Mistake: It is empty, or has several lines.
    """
    if not name.strip() or len(name.splitlines()) > 1:
        raise Mistake(shortened(name), "a name on one line", "write the name, or remove it")


def check_user_prefix(prefix: str) -> None:
    """Check what names of users begin with.

    Raises:
        Mistake: It is empty, has several lines, or ends as a pattern.
    """
    check_user(prefix)
    if prefix.endswith("*"):
        raise Mistake(shortened(prefix), "what the names begin with, without wildcards", "remove the *")


_NAMES = several(string_of(check_user))
OF_A_GUARD = Group(
    {
        "mode": Field(string_of(check_mode), DECIDES, required=True),
        "stack": Field(string_of(check_stack), DECIDES),
        "namespace": Field(named_by("namespace")),
        "namespaces": Field(
            with_keys(lambda key: check_name(key, RULES["namespace"]), string_of(check_exception)), DECIDES
        ),
        "annotations": Group(
            {
                "mode": Field(string_of(check_mode), DECIDES, required=True),
                "users": Field(_NAMES, DECIDES),
                "user_prefixes": Field(several(string_of(check_user_prefix)), DECIDES),
                "groups": Field(_NAMES, DECIDES),
            }
        ),
        "service_accounts": Listed(
            Group(
                {
                    "name": Field(named_by("service account"), required=True),
                    "namespace": Field(named_by("namespace")),
                    "role_arn": Field(string_of(lambda text: parse_iam_arn(text, "role")), required=True),
                    "identity": Field(plain_identity, DECIDES),
                    "audience": Field(named_by("audience")),
                }
            )
        ),
    }
)
