"""The IdentityGuard component: the API server refuses or warns of Pods without the identity that is declared."""

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from irsa import outputs
from irsa.args import IdentityGuardArgs
from irsa.guard.policies import LABELS, STACK_LABEL, bindings, config_map_name, policies
from irsa.guard_spec import NOWHERE, GuardSpec, Part, read_guard, read_guard_again
from irsa.later import Later, Read, applied, parsed
from irsa.outputs import child_name
from irsa.rules.mistakes import Located, Spelling, path_of

# A preview applies a change beside what the creation wrote, and merges the actions of both, as a set: the API server
# refuses Warn and Deny in one. Where the mode changes, nothing is lost while the binding does not exist: before, or
# afterwards, its Pods are only warned of. https://github.com/pulumi/pulumi-kubernetes/pull/4278
REPLACED_FOR_ANOTHER_MODE = pulumi.ResourceOptions(
    replace_on_changes=["spec.validationActions"], delete_before_replace=True
)
# What a binding says of which service accounts there are.
LATER = ("paramRef", "matchResources")


def read_of_stack(name: str, args: Any, spelling: Spelling = path_of) -> tuple[GuardSpec, Sequence[Located]]:
    """Return what the arguments of a guard of this stack declare, and what is wrong with them."""
    return read_guard(name, args, f"{pulumi.get_project()}/{pulumi.get_stack()}", spelling)


class IdentityGuard(pulumi.ComponentResource):
    """Policies of the API server that refuse, or warn of, Pods without their service account's role.

    It is for one cluster, that of its Kubernetes provider, from Kubernetes 1.30 on. If it fails, Pods start.
    """

    policy_names: pulumi.Output[list[str]]
    """Names of the policies."""

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
        bound: dict[str, Any] = {}
        config_maps: dict[str, Any] = {}
        for number, part in enumerate(spec.parts):
            # Of its own service accounts alone: of all, the state would grow with the square.
            needed = [each for index in part.indexes for each in (after[index] if after else ())]
            config_map = self._config_map(number, part, needed)
            config_maps[str(number)] = {"name": config_map.metadata.name, "data": self._data(number)}
            bound |= self._bindings(number, part, config_map, made)
        self.policy_names = pulumi.Output.from_input([each["metadata"]["name"] for each in manifests])
        self.register_outputs(
            {
                "policyNames": self.policy_names,
                "stack": spec.settings.stack,
                "mode": spec.settings.mode,
                "namespace": self._namespace,
                "configMaps": pulumi.Output.from_input(config_maps).apply(
                    lambda known: {each["name"]: each["data"] for each in known.values()}
                ),
                "policies": {each["metadata"]["name"]: each["spec"] for each in manifests},
                "bindings": bound,
                **spec.recorded,
            }
        )

    @property
    def _namespace(self) -> Any:
        return self._later.value(self._spec, ["namespace"])

    def _data(self, number: int) -> Any:
        return self._later.value(self._spec, ["parts", number, "data"])

    def _shown_data(self, number: int, part: Part) -> Any:
        """Return the data of a ConfigMap; who may write annotations is known in a preview, whatever else is not."""
        data = self._data(number)
        lists = {key: text for key, text in part.sample.items() if "." not in key}
        if isinstance(part.data, Mapping) or not lists:
            return data
        declared = {key: data.apply(lambda every, key=key: every[key]) for key in part.sample if key not in lists}
        return lists | declared

    def _child(self, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[*after])

    def _policy(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        name = manifest["metadata"]["name"]
        return kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            child_name(self._name, name), metadata=manifest["metadata"], spec=manifest["spec"], opts=self._child()
        )

    def _config_map(self, number: int, part: Part, after: Sequence[pulumi.Resource]) -> kubernetes.core.v1.ConfigMap:
        # Its name is automatic, and begins with this one: a new one is there before the bindings name it, and the old
        # one goes last.
        stack = self._spec.settings.stack
        labels = {**LABELS, STACK_LABEL: stack}
        metadata = kubernetes.meta.v1.ObjectMetaArgs(namespace=self._namespace, labels=labels)
        return kubernetes.core.v1.ConfigMap(
            config_map_name(stack, self._name, number),
            metadata=metadata,
            data=self._shown_data(number, part),
            opts=self._child(after),
        )

    def _bindings(
        self, number: int, part: Part, config_map: kubernetes.core.v1.ConfigMap, made: Sequence[pulumi.Resource]
    ) -> dict[str, Any]:
        """Create the bindings of a ConfigMap; return what they say, by their names."""
        settings = self._spec.settings
        before: list[Mapping[str, str]] = [{}] * number

        def specs(known: Mapping[str, Any]) -> dict[str, Any]:
            placed = settings._replace(namespace=known["namespace"])
            names = [""] * number + [known["config_map"]]
            found = bindings(placed, [*before, known["data"]], names)
            own = {each["metadata"]["name"]: each["spec"] for each in found}
            others = bindings(placed, [*before, part.sample], names)
            return {each["metadata"]["name"]: _nowhere(each["spec"]) for each in others} | own

        known = {"namespace": self._namespace, "config_map": config_map.metadata.name}
        computed = applied(specs, data=self._data(number), **known)
        bound: dict[str, Any] = {}
        for manifest in bindings(settings, [*before, part.sample], [""] * (number + 1)):
            name = manifest["metadata"]["name"]
            # Which fields wait for outputs: that a binding must be replaced is known in a preview.
            later = {key: computed.apply(lambda every, at=(name, key): every[at[0]][at[1]]) for key in LATER}
            bound[name] = {**manifest["spec"], **later}
            kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
                child_name(self._name, name),
                metadata=manifest["metadata"],
                spec=bound[name],
                opts=pulumi.ResourceOptions.merge(self._child(made), REPLACED_FOR_ANOTHER_MODE),
            )
        return bound


def _nowhere(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a binding for no namespace."""
    changed: dict[str, Any] = copy.deepcopy(dict(spec))
    changed["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"] = [NOWHERE]
    return changed
