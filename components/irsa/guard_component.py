"""The IdentityGuard component: the API server refuses or warns of Pods without the identity that is declared."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from irsa import outputs
from irsa.args import IdentityGuardArgs
from irsa.fields import OF_A_GUARD, KeyGroup
from irsa.guard.policies import LABELS, STACK_LABEL, bindings, config_map_name, policies
from irsa.guard.rules import namespaces_of
from irsa.guard_spec import GuardSpec, read_guard, read_guard_again
from irsa.later import Later, Read, parsed
from irsa.outputs import child_name
from irsa.rules.mistakes import Located, Spelling, path_of
from irsa.rules.unknown import Unknown

# A preview applies a change beside what the creation wrote, and merges the actions of both, as a set: the API server
# refuses Warn and Deny in one. Where the mode changes, nothing is lost while the binding does not exist: before, or
# afterwards, its Pods are only warned of. https://github.com/pulumi/pulumi-kubernetes/pull/4278
REPLACED_FOR_ANOTHER_MODE = pulumi.ResourceOptions(
    replace_on_changes=["spec.validationActions"], delete_before_replace=True
)


def read_of_stack(
    name: str, args: Any, spelling: Spelling = path_of, group: KeyGroup = OF_A_GUARD
) -> tuple[GuardSpec, Sequence[Located]]:
    """Return what the arguments of a guard of this stack declare, and what is wrong with them."""
    return read_guard(name, args, f"{pulumi.get_project()}/{pulumi.get_stack()}", spelling, group)


class IdentityGuard(pulumi.ComponentResource):
    """Policies of the API server that refuse, or warn of, Pods without their service account's role.

    It is for one cluster, that of its Kubernetes provider, from Kubernetes 1.30 on. If it fails, Pods start.
    """

    def __init__(
        self,
        name: str,
        args: IdentityGuardArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Create the policies, their bindings and what they know.

        Args:
            name: Logical name.
            args: See IdentityGuardArgs.
            opts: Options of the component; its children use the Kubernetes provider.

        Raises:
            InvalidArgumentsError: All arguments that Kubernetes or this component would refuse.
        """
        given: Any = args
        spec, after = given if isinstance(given, Read) else Read(parsed(read_of_stack, name, args))
        super().__init__(outputs.GUARD_TYPE, name, spec.inputs, opts)
        # A program may have one for each of several clusters.
        self._name = name
        self._spec, self._later = spec, Later(functools.partial(read_guard_again, spec.reading))
        manifests = policies(spec.settings)
        made = [self._policy(manifest) for manifest in manifests]
        data = [self._data(number) for number in range(len(spec.parts))]
        config_maps = []
        for number, part in enumerate(spec.parts):
            # After its own service accounts alone: after all, the state would grow with the square.
            needed = [each for index in part.indexes for each in (after[index] if after else ())]
            config_maps.append(self._config_map(number, data[number], needed))
        names = [each.metadata.name for each in config_maps]
        recorded = {str(number): {"name": name, "data": data[number]} for number, name in enumerate(names)}
        self.register_outputs(
            {
                "stack": spec.settings.stack,
                "mode": spec.settings.mode,
                "namespace": self._namespace,
                "configMaps": pulumi.Output.from_input(recorded).apply(
                    lambda known: {each["name"]: each["data"] for each in known.values()}
                ),
                "policies": {each["metadata"]["name"]: each["spec"] for each in manifests},
                "bindings": self._bindings(names, made),
                **spec.recorded,
            }
        )

    @property
    def _namespace(self) -> Any:
        return self._later.value(self._spec, ["namespace"])

    def _data(self, number: int) -> dict[str, Any]:
        """Return the data of a ConfigMap: in a preview, who may write annotations is known, whatever else is not."""
        data = self._spec.parts[number].data
        known = self._later.value(self._spec, ["parts", number, "data"])
        return {
            key: known.apply(lambda every, key=key: every[key]) if isinstance(each, Unknown) else each
            for key, each in data.items()
        }

    def _child(self, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[*after])

    def _policy(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        name = manifest["metadata"]["name"]
        return kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            child_name(self._name, name), metadata=manifest["metadata"], spec=manifest["spec"], opts=self._child()
        )

    def _config_map(
        self, number: int, data: Mapping[str, Any], after: Sequence[pulumi.Resource]
    ) -> kubernetes.core.v1.ConfigMap:
        # Its name is automatic, and begins with this one: a new one is there before the bindings name it, and the old
        # one goes last.
        stack = self._spec.settings.stack
        labels = {**LABELS, STACK_LABEL: stack}
        metadata = kubernetes.meta.v1.ObjectMetaArgs(namespace=self._namespace, labels=labels)
        name = config_map_name(stack, self._name, number)
        return kubernetes.core.v1.ConfigMap(name, metadata=metadata, data=data, opts=self._child(after))

    def _bindings(self, config_maps: Sequence[Any], made: Sequence[pulumi.Resource]) -> dict[str, Any]:
        """Create the bindings; return their specs, by their names."""
        bound: dict[str, Any] = {}
        settings = self._spec.settings._replace(namespace=self._namespace)
        for manifest in bindings(settings, [namespaces_of(part.data) for part in self._spec.parts], config_maps):
            name = manifest["metadata"]["name"]
            bound[name] = manifest["spec"]
            kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
                child_name(self._name, name),
                metadata=manifest["metadata"],
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions.merge(self._child(made), REPLACED_FOR_ANOTHER_MODE),
            )
        return bound
