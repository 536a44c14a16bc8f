"""What a ServiceAccountRole leaves in the state of a stack: the component writes by it, and `irsa verify` reads by it.

A stack that an older version deployed is read with the same names: change none of them.
"""

COMPONENT_TYPE = "irsa:index:ServiceAccountRole"

# The registered outputs. The component says what the program wanted: a refresh rewrites the inputs of its children.
ROLE_ARN = "roleArn"
ROLE_NAME = "roleName"
# ARNs of the attached managed policies, sorted.
POLICY_ARNS = "policyArns"
# Trusted `namespace:name` patterns, as the trust policy admits them; nothing for a role that exists already, and where
# that can't be told.
SUBJECTS = "subjects"
NAMESPACE = "namespace"
SERVICE_ACCOUNT_NAME = "serviceAccountName"
# Those of `eks.amazonaws.com/`.
ANNOTATIONS = "annotations"
# The trust policy as JSON; nothing for a role that exists already.
TRUST_POLICY = "trustPolicy"
# Documents of the managed policies that the component makes, by ARN.
POLICY_DOCUMENTS = "policyDocuments"
# Documents of the inline policies, by name.
INLINE_POLICIES = "inlinePolicies"
CREATES_SERVICE_ACCOUNT = "createsServiceAccount"

# Between a component's name and what stands for one of its children, or for a further cluster. It is not in the keys of
# bindings, so that no two make resources of one name, and it is allowed in IAM's names, since automatic ones start so.
SEPARATOR = "@"


def child_name(component: str, key: str) -> str:
    """Give the name of the child that a key stands for: an attachment or an inline policy.

    The role, the first managed policy with its attachment, and the service account have the component's own name.
    """
    return f"{component}{SEPARATOR}{key}"


def part_name(component: str, index: int) -> str:
    """Give the name of a managed policy and of its attachment, where a document is divided; `index` counts from 0."""
    return child_name(component, f"part-{index + 1}") if index else component


def existing_name(component: str) -> str:
    """Give the name of the read of a service account that exists already."""
    return child_name(component, "existing")


def component_name(binding: str, cluster: str | None = None) -> str:
    """Give the name of a binding's component: of its own one, or of the one in a further cluster."""
    return binding if cluster is None else f"{binding}{SEPARATOR}{cluster}"


def binding_and_cluster(component: str) -> tuple[str, str]:
    """Give the keys of the binding and of the further cluster that a component's name stands for."""
    binding, _, cluster = component.partition(SEPARATOR)
    return binding, cluster
