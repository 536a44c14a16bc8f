"""The names that a ServiceAccountRole uses in a stack's state: the component writes them, and `irsa verify` reads them.

Stacks that 0.1.0 or a later version deployed have the same names: do not change them.
"""

COMPONENT_TYPE = "irsa:index:ServiceAccountRole"
GUARD_TYPE = "irsa:index:IdentityGuard"

# Inputs of IdentityGuard, which a preview has while roles are not known: the mode for each service account by
# `namespace/name`, absent where a name is an output; and that of the rule for annotations, absent without one.
GUARD_MODES, GUARD_ANNOTATIONS = "modes", "annotations"

# The registered outputs: they keep what the program declared, while a refresh rewrites the inputs of the children.
ROLE_ARN = "roleArn"
ROLE_NAME = "roleName"
# ARNs of the attached managed policies, sorted.
POLICY_ARNS = "policyArns"
# Trusted `namespace:name` patterns, that the trust policy admits; null for an existing role, if irsa cannot tell, and
# where a Deny excludes some of them.
SUBJECTS = "subjects"
NAMESPACE = "namespace"
SERVICE_ACCOUNT_NAME = "serviceAccountName"
# The annotations `eks.amazonaws.com/...`.
ANNOTATIONS = "annotations"
# The trust policy as JSON; null for an existing role.
TRUST_POLICY = "trustPolicy"
# Documents of the managed policies that the component creates, by ARN.
POLICY_DOCUMENTS = "policyDocuments"
# Documents of the inline policies, by name.
INLINE_POLICIES = "inlinePolicies"
CREATES_SERVICE_ACCOUNT = "createsServiceAccount"
# How Pods get the role, `irsa` and `podIdentity`, each `used` or `trusted`; absent for IRSA alone.
IDENTITY = "identity"
# The Pod Identity associations: clusterArn, namespace, serviceAccount, roleArn, disableSessionTags, targetRoleArn,
# policy (JSON) and tags of each; absent without any.
ASSOCIATIONS = "podIdentityAssociations"
# Keys of the binding, and of its cluster in a stack of several, in a stack file; absent in a program of one's own.
KEY = "key"
CLUSTER = "cluster"
# Settings of a created role, those of `irsa.types.ROLE_SETTINGS`, without those left to IAM.
ROLE_SETTINGS = "roleSettings"
# Between a component's name and the part for one of its children, or for a cluster. Keys of bindings cannot contain it,
# so that no two names collide. IAM's names can: automatic names start with the component's.
SEPARATOR = "@"


def child_name(component: str, key: str) -> str:
    """Return the name of the child for a key: an attachment, an inline policy, or the service account that is read.

    The role, the first managed policy with its attachment, and the service account have the component's own name.
    """
    return f"{component}{SEPARATOR}{key}"


def part_name(component: str, index: int) -> str:
    """Return the name of a managed policy and of its attachment, where a document is split; `index` counts from 0."""
    return child_name(component, f"part-{index + 1}") if index else component


def component_name(binding: str, cluster: str | None = None) -> str:
    """Return the name of a binding's component, or of its component for one of several clusters."""
    return binding if cluster is None else f"{binding}{SEPARATOR}{cluster}"
