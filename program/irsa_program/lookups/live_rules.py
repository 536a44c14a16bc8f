"""What `irsa check --live` finds, by the rule's name in reports; a failed look-up of `pulumi up` has the same names."""

from irsa.rules.mistakes import Mistake, Place
from irsa_config.located_mistake import LocatedMistake

RULES = {
    (FAILED_UPDATE := "failed-update"): ("the last update of a resource failed, but the state records it as done"),
    (NAMESPACE_MISSING := "namespace-missing"): (
        "the namespace of a service account, or of a guard, does not exist, or is being deleted"
    ),
    (SERVICE_ACCOUNT_EXISTS := "service-account-exists"): "a service account to create exists already",
    (SERVICE_ACCOUNT_MISSING := "service-account-missing"): "a service account to annotate does not exist",
    (SERVICE_ACCOUNT_TAKEN := "service-account-taken"): (
        "a service account to annotate has these annotations from another manager"
    ),
    (ROLE_EXISTS := "role-exists"): "the name of a role is taken in the AWS account",
    (POLICY_EXISTS := "policy-exists"): "the name of a policy is taken in the AWS account",
    (POLICY_MISSING := "policy-missing"): "a policy to attach does not exist",
    (BOUNDARY_MISSING := "boundary-missing"): "the policy of a permissions boundary does not exist",
    (QUOTA_REACHED := "quota-reached"): "a quota of IAM or EKS is reached",
    (PROVIDER_MISSING := "provider-missing"): "there is no IAM OIDC provider for the cluster's issuer",
    (PROVIDER_EXISTS := "provider-exists"): "an IAM OIDC provider to create exists already",
    (AUDIENCE_MISSING := "audience-missing"): "the IAM OIDC provider does not list the audience",
    (AGENT_MISSING := "agent-missing"): "a cluster has no agent of EKS Pod Identity, and no Auto Mode",
    (ASSOCIATION_EXISTS := "association-exists"): (
        "a service account has an EKS Pod Identity association already, of an add-on for example"
    ),
    (CONTEXT_MISSING := "context-missing"): "there is no such context of a kubeconfig",
    (CLUSTER_UNREACHABLE := "cluster-unreachable"): "the cluster does not answer, or is not found",
    (WRONG_CLUSTER := "wrong-cluster"): "the kubeconfig's context, or the issuer, is of another cluster",
    (CREDENTIALS := "credentials"): "there are no valid AWS credentials",
    (WRONG_ACCOUNT := "wrong-account"): "the credentials are of an AWS account that the stack does not allow",
    (ACCOUNT_UNREACHABLE := "account-unreachable"): "another AWS account cannot be reached",
    (PODS_HOLD_BACK := "pods-hold-back"): (
        "the change ends IRSA, or EKS Pod Identity, for a service account whose Pods still use it"
    ),
    (PODS_MUST_RESTART := "pods-must-restart"): (
        "the change deletes an association, so that Pods lose its credentials within minutes, or hours later"
    ),
    (PODS_LOSE_ROLE := "pods-lose-role"): "the change deletes or replaces what Pods use",
}


def finding(rule: str, place: Place, found: str, allowed: str, fix: str) -> LocatedMistake:
    """Return what was found, by the name of its rule."""
    return LocatedMistake(place, Mistake(found, allowed, fix), rule=rule)
