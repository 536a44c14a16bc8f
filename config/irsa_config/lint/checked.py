"""What lint rules are given of a stack file: the stack, and its bindings."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.role.lint import JudgedRole
from irsa.rules.mistakes import Place
from irsa.rules.policies import Document
from irsa.rules.unknown import is_there, known_or, text_of, without_missing
from irsa.rules.variables import with_examples
from irsa.spec import Spec
from irsa_config.argument_places import place_of
from irsa_config.stack import Binding, Stack


@dataclass(frozen=True)
class CheckedBinding:
    """A binding; what is wrong or not known in it is a marker."""

    binding: Binding
    """Its settings, `irsa:defaults` merged into them."""
    declared: ServiceAccountRoleKeys
    """The arguments of its component, with their variables replaced."""
    spec: Spec
    """What its component creates."""
    with_variables: Sequence[tuple[Place, Any]]
    """The values that may have variables, as they are written, each with its place in the binding."""

    @property
    def place(self) -> Place:
        """Its place in the settings."""
        return ("bindings", self.binding.key)

    @functools.cached_property
    def role(self) -> JudgedRole:
        """What the rules of its component are given."""
        return self.spec.judged_as(self.declared)

    @functools.cached_property
    def documents(self) -> Sequence[tuple[Place, Any, Any]]:
        """Its policies' documents that are known, each with the policy's place, and as it is in the file."""
        return [self._placed(place[:-1], content) for place, content in self.role.documents.items()]

    @property
    def session_policies(self) -> Iterator[tuple[Place, Any, Any]]:
        """Its session policy for EKS Pod Identity, likewise: it limits what the others give."""
        policy = self.declared.pod_identity and self.declared.pod_identity.policy
        if policy and isinstance(policy.document, Document):
            yield self._placed(("pod_identity", "policy"), with_examples(without_missing(policy.document.content)))

    def _placed(self, policy: Place, content: Any) -> tuple[Place, Any, Any]:
        source = place_of(policy)
        return (*self.place, *source), content, self.binding.written((*source, "document"))

    @property
    def has_existing_role(self) -> bool:
        """Whether its role exists, and is not changed."""
        return is_there(self.declared.role.arn)

    @functools.cached_property
    def policy_arns(self) -> Sequence[tuple[int | str, str]]:
        """The ARNs of existing policies as they are written, each with its key, or its indexes in a list."""
        arns = [(key, text) for key, arn in known_or(self.declared.policy_arns, {}).items() if (text := text_of(arn))]
        every = [(getattr(key, "written", key), arn) for key, arn in arns]
        every += [(index, arn) for key, arn in arns for index in getattr(key, "again", ())]
        return sorted(every, key=lambda each: each[0] if isinstance(each[0], int) else 0)


class CheckedStack(NamedTuple):
    """A stack file, and what the rules need besides the bindings."""

    stack: Stack
    """The settings, with `irsa:defaults` merged into the bindings."""
    bindings: Mapping[str, CheckedBinding]
    complete: bool
    """Whether it has no mistake and no secret."""
