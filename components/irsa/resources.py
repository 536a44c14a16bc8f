"""What a component creates, as a list of resources: the component registers it, and whoever compares reads the same."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from irsa.types import POD_IDENTITY_ASSOCIATION


class Ref(NamedTuple):
    """An input that is an output of another resource of the list."""

    key: str
    output: str


class DeclaredResource(NamedTuple):
    """One resource.

    Attributes:
        key: Which one it is in its list; it stays when the logical name is another one.
        type: One of irsa.types.
        logical_name: Its name in the state.
        inputs: By Pulumi's names, one of Kubernetes metadata as `metadata.name`; a value, a marker or a Ref. What is
            left to the provider is None.
        import_id: By what an existing one is adopted; None where it is created.
        after: Keys of what must be there before.
        facts: What is known of it besides: of an association, `clusterArn`; of a service account, `takeOver`.
    """

    key: str
    type: str
    logical_name: str
    inputs: Mapping[str, Any]
    import_id: str | None = None
    after: tuple[str, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})

    @property
    def service_account(self) -> tuple[Any, Any]:
        """The namespace and the name of a service account, or of that of an association."""
        of_association = self.type == POD_IDENTITY_ASSOCIATION
        names = ("namespace", "serviceAccount") if of_association else ("metadata.namespace", "metadata.name")
        return self.inputs[names[0]], self.inputs[names[1]]


THE_ROLE = "role"
THE_SERVICE_ACCOUNT = "service account"
ARN_OF_THE_ROLE = Ref(THE_ROLE, "arn")
"""The ARN of the role, also of an existing one, which is not in the list."""
NAME_OF_THE_ROLE = Ref(THE_ROLE, "name")
