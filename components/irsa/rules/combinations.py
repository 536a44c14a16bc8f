"""The arguments of a role that go together, by their paths among those of ServiceAccountRole."""

from collections.abc import Mapping, Sequence

from irsa.rules.mistakes import Place

# What can be adopted, and the argument that says which one it is.
ADOPTABLE: Mapping[str, Place] = {
    "role": ("role", "name"),
    "policy": ("policy", "name"),
    "attachments": ("role", "name"),
    "inlinePolicies": ("role", "name"),
    "serviceAccount": ("service_account", "name"),
}
# What a binding of an existing role may say; everything else would change that role.
OF_AN_EXISTING_ROLE: Sequence[Place] = (
    *(("service_account",), ("role", "arn"), ("audience",), ("import_",), ("retain_on_delete",)),
    *(("identity",), ("cluster_arns",), ("pod_identity",)),
)
# Mappings of arguments whose parts are each of the role.
GROUPS = ("role", "trust")
# What irsa writes the chaining policy for.
CHAINING: Sequence[Place] = (("assume_role_arns",), ("pod_identity", "target_role_arn"))
OF_A_CREATED_SERVICE_ACCOUNT: Sequence[Place] = (
    ("service_account", "labels"),
    ("service_account", "image_pull_secrets"),
    ("service_account", "automount_service_account_token"),
)
