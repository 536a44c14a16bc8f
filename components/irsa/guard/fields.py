"""How each argument of IdentityGuard is read."""

from collections.abc import Mapping

from irsa.fields import Field, Tables, named_by, plain_identity, several, string_of, with_keys
from irsa.guard.modes import check_exception, check_mode
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.names import RULES, check_name

DECIDES = "it decides which resources exist"


def check_stack(name: str) -> None:
    """Check the name of a stack, of which the policies' names are made.

    Raises:
        Mistake: It is empty.
    """
    if not name:
        raise Mistake("an empty string", "the name of the stack", "write it, or remove the argument")


_LISTED = several(string_of(len))
SERVICE_ACCOUNT: Mapping[str, Field] = {
    "name": Field(named_by("service account"), required=True),
    "namespace": Field(named_by("namespace")),
    "role_arn": Field(string_of(lambda text: parse_iam_arn(text, "role")), required=True),
    "identity": Field(plain_identity, DECIDES),
    "audience": Field(named_by("audience")),
}
ANNOTATIONS: Mapping[str, Field] = {
    "mode": Field(string_of(check_mode), DECIDES, required=True),
    "users": Field(_LISTED, DECIDES),
    "user_prefixes": Field(_LISTED, DECIDES),
    "groups": Field(_LISTED, DECIDES),
}
OF_A_GUARD = Tables(
    "IdentityGuard",
    {
        "mode": Field(string_of(check_mode), DECIDES, required=True),
        "stack": Field(string_of(check_stack), DECIDES),
        "namespace": Field(named_by("namespace")),
        "namespaces": Field(
            with_keys(lambda key: check_name(key, RULES["namespace"]), string_of(check_exception)), DECIDES
        ),
    },
    {"annotations": ANNOTATIONS},
    {},
    {"service_accounts": SERVICE_ACCOUNT},
)
