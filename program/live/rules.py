"""What `irsa check --live` finds, by the rule's name in reports; a failed look-up of `pulumi up` has the same names."""

NAMESPACE_MISSING = "namespace-missing"
NAMESPACE_EXISTS = "namespace-exists"
SERVICE_ACCOUNT_EXISTS = "service-account-exists"
SERVICE_ACCOUNT_MISSING = "service-account-missing"
SERVICE_ACCOUNT_TAKEN = "service-account-taken"
ROLE_EXISTS = "role-exists"
ROLE_MISSING = "role-missing"
POLICY_EXISTS = "policy-exists"
INLINE_POLICY_EXISTS = "inline-policy-exists"
POLICY_MISSING = "policy-missing"
BOUNDARY_MISSING = "boundary-missing"
QUOTA_REACHED = "quota-reached"
PROVIDER_MISSING = "provider-missing"
PROVIDER_EXISTS = "provider-exists"
AUDIENCE_MISSING = "audience-missing"
CONTEXT_MISSING = "context-missing"
CLUSTER_UNREACHABLE = "cluster-unreachable"
WRONG_CLUSTER = "wrong-cluster"
CREDENTIALS = "credentials"
WRONG_ACCOUNT = "wrong-account"
ACCOUNT_UNREACHABLE = "account-unreachable"
ACCESS_ENTRY_MISSING = "access-entry-missing"
IMPORT_MISSING = "import-missing"
PODS_LOSE_ROLE = "pods-lose-role"

RULES = {
    NAMESPACE_MISSING: "the namespace of a service account does not exist, or is being deleted",
    NAMESPACE_EXISTS: "a namespace to create exists already",
    SERVICE_ACCOUNT_EXISTS: "a service account to create exists already",
    SERVICE_ACCOUNT_MISSING: "a service account to annotate does not exist",
    SERVICE_ACCOUNT_TAKEN: "a service account to annotate has these annotations from another manager",
    ROLE_EXISTS: "the name of a role is taken in the AWS account",
    ROLE_MISSING: "the role of a binding that only names it does not exist",
    POLICY_EXISTS: "the name of a policy is taken in the AWS account",
    INLINE_POLICY_EXISTS: "an adopted role has an inline policy of that name, which would be overwritten",
    POLICY_MISSING: "a policy to attach does not exist",
    BOUNDARY_MISSING: "the policy of a permissions boundary does not exist",
    QUOTA_REACHED: "a quota of IAM is reached",
    PROVIDER_MISSING: "there is no IAM OIDC provider for the cluster's issuer",
    PROVIDER_EXISTS: "an IAM OIDC provider to create exists already",
    AUDIENCE_MISSING: "the IAM OIDC provider does not list the audience",
    CONTEXT_MISSING: "there is no such context of a kubeconfig",
    CLUSTER_UNREACHABLE: "the cluster does not answer, or is not found",
    WRONG_CLUSTER: "the kubeconfig's context is of another cluster",
    CREDENTIALS: "there are no valid AWS credentials",
    WRONG_ACCOUNT: "the credentials are of an AWS account that the stack does not allow",
    ACCOUNT_UNREACHABLE: "another AWS account cannot be reached",
    ACCESS_ENTRY_MISSING: "the AWS identity has no access entry in the EKS cluster",
    IMPORT_MISSING: "something to import does not exist",
    PODS_LOSE_ROLE: "the change deletes or replaces what Pods use",
}
