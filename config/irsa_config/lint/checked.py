"""What lint rules are given of a stack file: the stack, and its bindings."""

import functools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission
from irsa.evaluation.document import parse
from irsa.evaluation.lint.trust import Trust
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Place
from irsa.spec import Spec
from irsa_config.argument_places import place_of
from irsa_config.stack import Binding, Stack, part_of


@dataclass(frozen=True)
class CheckedBinding:
    """A binding; what is wrong or not known in it is a marker."""

    key: str
    binding: Binding
    """Its settings, `irsa:defaults` merged into them."""
    args: Mapping[str, Any]
    """The arguments of its component, with their variables replaced."""
    spec: Spec
    """What its component creates."""

    @property
    def place(self) -> Place:
        """Its place in the settings."""
        return ("bindings", self.key)

    @functools.cached_property
    def documents(self) -> Sequence[tuple[Place, Any, Any]]:
        """Its policies' documents that are known, each with the policy's place, and as it is in the file."""
        inline = [("inline_policies", name) for name in mapping_of(self.args.get("inline_policies"))]
        return [*self._documents(("policy",), *inline)]

    @functools.cached_property
    def trust(self) -> Trust:
        """Whom its role trusts. Only a trust policy with statements of the binding's is judged as a whole."""
        trust = self.spec.trust
        statements = [*map(mapping_of, list_of(self.argument("trust", "statements")))]
        admission = trust.admission if trust and isinstance(trust.admission, Admission) else Admission()
        first = 0
        if trust and admission.admitted and isinstance(trust.policy, str):
            # Those that irsa writes come first: for each provider, and for each service account with Pod Identity.
            first = len(parse(trust.policy)[1]) - len(statements)
        subjects = [(("subjects", index), subject) for index, subject in self.strings("trust", "subjects")]
        return Trust(statements, admission, first, subjects, {arn for _, arn in self.strings("oidc_provider_arns")})

    @property
    def session_policies(self) -> Iterator[tuple[Place, Any, Any]]:
        """Its session policy for EKS Pod Identity, likewise: it limits what the others give."""
        return self._documents(("pod_identity", "policy"))

    def _documents(self, *policies: tuple[str, ...]) -> Iterator[tuple[Place, Any, Any]]:
        for place in policies:
            if isinstance(document := self.argument(*place, "document"), dict):
                yield (*self.place, *place_of(place)), document, self.binding.argument(*place, "document")

    @property
    def has_existing_role(self) -> bool:
        """Whether its role exists, and is not changed."""
        return "arn" in mapping_of(self.args.get("role"))

    def argument(self, *place: str) -> Any:
        """Return an argument; None where it is not there."""
        return part_of(self.args, place)

    def strings(self, *place: str) -> Iterator[tuple[int | str, str]]:
        """Yield the known items of an argument that is a list or a mapping, with their indexes or keys."""
        value = self.argument(*place)
        # A key that is no string is a mistake, and so is not marked by its name.
        keyed = {key: each for key, each in mapping_of(value).items() if isinstance(key, str)}
        items = keyed.items() if keyed else enumerate(list_of(value))
        yield from ((step, item) for step, item in items if isinstance(item, str))


class CheckedStack(NamedTuple):
    """A stack file, and what the rules need besides the bindings."""

    stack: Stack
    """The settings, with `irsa:defaults` merged into the bindings."""
    settings: Mapping[str, Any]
    """The settings as they are in the file."""
    bindings: Mapping[str, CheckedBinding]
    complete: bool
    """Whether it has no mistake and no secret."""
    used_variables: Set[str]
    """Names of the variables that documents and ARNs of the whole file use."""
