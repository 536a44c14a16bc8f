"""What lint rules are given of a stack file: the stack, and its bindings."""

import functools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission
from irsa.evaluation.document import parse
from irsa.evaluation.lint.trust import Trust
from irsa.keys.binding import ServiceAccountRole
from irsa.role.ways import facts_of
from irsa.rules.leaves import mapping_of, strings_of
from irsa.rules.mistakes import Place
from irsa.rules.policies import Document
from irsa.rules.unknown import is_there, known_or, without_missing
from irsa.spec import Spec
from irsa.ways import Facts
from irsa_config.argument_places import place_of
from irsa_config.stack import Binding, Stack


@dataclass(frozen=True)
class CheckedBinding:
    """A binding; what is wrong or not known in it is a marker."""

    key: str
    binding: Binding
    """Its settings, `irsa:defaults` merged into them."""
    declared: ServiceAccountRole
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
        inline = [("inline_policies", name) for name in known_or(self.declared.inline_policies, {})]
        return [*self._documents(("policy",), *inline)]

    @functools.cached_property
    def trust(self) -> Trust:
        """Whom its role trusts. Only a trust policy with statements of the binding's is judged as a whole."""
        trust = self.spec.trust
        declared = self.declared
        statements = [*map(mapping_of, without_missing(known_or(declared.trust.statements, [])))]
        admission = trust.admission if trust and isinstance(trust.admission, Admission) else Admission()
        first = 0
        if trust and admission.admitted and isinstance(trust.policy, str):
            # Those that irsa writes come first: for each provider, and for each service account with Pod Identity.
            first = len(parse(trust.policy)[1]) - len(statements)
        named = enumerate(known_or(declared.trust.subjects, []))
        subjects = [(("subjects", index), subject) for index, subject in named if isinstance(subject, str)]
        return Trust(statements, admission, first, subjects, {*strings_of(known_or(declared.oidc_provider_arns, []))})

    @functools.cached_property
    def facts(self) -> Facts:
        """What the ways to the role ask of its arguments."""
        return facts_of(self.declared)._replace(creates_role=self.spec.trust is not None)

    @property
    def session_policies(self) -> Iterator[tuple[Place, Any, Any]]:
        """Its session policy for EKS Pod Identity, likewise: it limits what the others give."""
        return self._documents(("pod_identity", "policy"))

    def _documents(self, *policies: tuple[str, ...]) -> Iterator[tuple[Place, Any, Any]]:
        for place in policies:
            document, source = self.declared.at((*place, "document")), place_of(place)
            if isinstance(document, Document):
                yield (
                    (*self.place, *source),
                    without_missing(document.content),
                    self.binding.written((*source, "document")),
                )

    @property
    def has_existing_role(self) -> bool:
        """Whether its role exists, and is not changed."""
        return is_there(self.declared.role.arn)

    @functools.cached_property
    def policy_arns(self) -> Sequence[tuple[int | str, str]]:
        """The ARNs of existing policies that are known, each with its key, or each time with its index in a list."""
        arns = [(key, arn) for key, arn in known_or(self.declared.policy_arns, {}).items() if isinstance(arn, str)]
        every = [(getattr(key, "written", key), arn) for key, arn in arns]
        every += [(index, arn) for key, arn in arns for index in getattr(key, "again", ())]
        return sorted(every, key=lambda each: each[0] if isinstance(each[0], int) else 0)


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
