from typing import Any

from irsa.evaluation import Decision, Evaluation, Reason, WebIdentityRequest, evaluate

HOST_PATH = "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
OTHER_PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/OTHER"
AUD, SUB = f"{HOST_PATH}:aud", f"{HOST_PATH}:sub"
SUBJECT = "system:serviceaccount:default:my-service-account"
AUDIENCE = "sts.amazonaws.com"
REQUEST = WebIdentityRequest(PROVIDER, SUBJECT, AUDIENCE)
# The document that `aws iam get-role` shows on the page "Configure a Kubernetes service account to assume an IAM role".
PAGE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {SUB: SUBJECT, AUD: AUDIENCE}},
        }
    ],
}
MATCHED, NOT_MATCHED, UNKNOWN = Decision.ALLOWED, Decision.DENIED, Decision.CANNOT_TELL


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    known = {"Effect": effect, "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
    merged = known | elements
    if "NotAction" in elements:
        del merged["Action"]
    return merged


def document(*statements: Any, version: str | None = "2012-10-17") -> dict[str, Any]:
    return ({"Version": version} if version else {}) | {"Statement": list(statements)}


def under(condition: Any, version: str | None = "2012-10-17", **context: tuple[str, ...]) -> Evaluation:
    request = WebIdentityRequest(
        PROVIDER, SUBJECT, AUDIENCE, {name.replace("__", ":"): each for name, each in context.items()}
    )
    return evaluate(document(statement(Condition=condition), version=version), request)


def only_reason(evaluation: Evaluation) -> Reason:
    (reason,) = [each for each in evaluation.statements[0].reasons if each.element == "Condition"]
    return reason
