"""What `irsa verify` compares: the checks by their names."""

PROVIDER, ROLE, TRUST = "provider", "role", "trust"
POLICIES, DOCUMENTS, SERVICE_ACCOUNT, PODS = "policies", "documents", "service account", "pods"
ASSOCIATION, GUARD, STAGE, ISSUER = "association", "guard", "stage", "issuer"
# The columns of the table, and the lines of --help: what a check compares.
CHECKS = {
    PROVIDER: (
        "each OIDC provider of the trust policy exists and lists the audience of its tokens; one is of the cluster"
    ),
    ROLE: "the role exists under its ARN, with the declared description, permissions boundary and longest session",
    TRUST: "the trust policy means what was declared; order, Sid and the case of actions and keys are ignored",
    POLICIES: "the declared policies are attached to the role, and no others",
    DOCUMENTS: (
        "the default version of each policy that the stack creates, and each inline policy, is the declared document"
    ),
    SERVICE_ACCOUNT: (
        "the service account exists and has exactly the declared eks.amazonaws.com/ annotations, none misspelled"
    ),
    ASSOCIATION: (
        "with EKS Pod Identity: the association is as declared, its target role admits the role, and the agent runs"
    ),
    PODS: ("with --pods: each Pod that has not ended has the role and token of these annotations, or EKS Pod Identity"),
    STAGE: "with --pods and EKS Pod Identity, a line: the stage of the Pods, and which are not ready for the next one",
    ISSUER: (
        "outside EKS: the issuer publishes what STS asks for, and each key of the API server, the one that signs first"
    ),
    GUARD: (
        "with irsa:guard: its policies, bindings and ConfigMaps are as declared, and the API server understands them"
    ),
}
