"""What `irsa explain` says of a cluster, a stack and an AWS account: one row for each thing that may decide.

An association wins over the annotation (https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html), and
without one the webhook reads the annotation alone (pod-configuration.html there).
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from irsa_cli.main import main
from irsa_world.verdict import EMPTY_AUDIENCE
from tests.fuzz.live_states import AWS_ACCOUNT, CLUSTER_ARN, ISSUER, ROLE, Client, Pages, State, live, trust
from tests.output_schemas import check_output
from tests.world import document, of_pods

KEY, AUDIENCE, STS = "eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience", "sts.amazonaws.com"
OTHER, UPPER = f"arn:aws:iam::{AWS_ACCOUNT}:role/other", ROLE.replace("app", "APP")
ELSEWHERE = OTHER.replace(AWS_ACCOUNT, "444455556666")
UNREAD = OTHER.replace("other", "unread")
GREEN = "https://oidc.eks.us-west-2.amazonaws.com/id/GREEN"
PODS = {"Sid": "Pods", **of_pods(CLUSTER_ARN, "web", "app")}
WEB = trust()["Statement"][0]
UNTAGGED = {key: value for key, value in PODS.items() if key != "Condition"}
ANNOTATED = {KEY: ROLE}


class Said(NamedTuple):
    """What `irsa explain` ended with and printed; its page is on one line."""

    code: int
    out: str
    err: str

    @property
    def page(self) -> str:
        return " ".join(self.out.split())

    @property
    def json(self) -> Any:
        return check_output("explain", self.out)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """Return a state in which the role `app` admits web/app, and is that of the binding `app`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return State()


@pytest.fixture
def explain(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Return a function that explains web/app, as the state is then."""

    def explained(*words: str) -> Said:
        live(state, tmp_path, monkeypatch)
        return Said(main(["explain", "web/app", *words]), *capsys.readouterr())

    return explained


def chained(principal: str) -> dict[str, Any]:
    """Return a statement of a target role."""
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"]}


def association(role: str = ROLE, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:podidentityassociation/blue/a-1"
    names = {"clusterName": "blue", "namespace": "web", "serviceAccount": "app", "associationId": "a-1"}
    return {**names, "roleArn": role, "associationArn": arn, **more}


class Case(NamedTuple):
    """What is there and asked, the exit code, how the page begins, what it has too, and values of the JSON."""

    words: tuple[str, ...]
    code: int
    first: str
    parts: tuple[str, ...] = ()
    json: dict[str, Any] = {}  # noqa: RUF012 (a constant)
    annotations: dict[str, str] | None = ANNOTATED
    statements: tuple[Any, ...] = (WEB,)
    association: dict[str, Any] | None = None


MAY, NOT = f"allowed: web/app may assume {ROLE}: ", f"denied: web/app may not assume {ROLE}: "
BY_ROLE, WITH_STACK = (ROLE,), (ROLE, "--stack", "dev")
GIVES = f" association: a-1 gives new Pods {ROLE}, whatever the annotation is "
NO_ANNOTATION = f"it has no {KEY}, so its Pods get no credentials"
CASES = {
    "annotated": Case((), 0, MAY, json={"role": ROLE, "annotation": "", "fix": ""}),
    "by name": Case(("app",), 0, MAY, json={"role": ROLE, "binding": ""}),
    "by key": Case(("app", "--stack", "dev"), 0, MAY, (" binding: app sub: ",), {"role": ROLE, "binding": "app"}),
    "by ARN": Case(WITH_STACK, 0, MAY, json={"role": ROLE, "binding": ""}),
    "not annotated": Case(
        BY_ROLE, 0, MAY, (f"annotation: web/app found: {NO_ANNOTATION} expected: {KEY}: {ROLE} do: kubectl ",),
        {"annotation": NO_ANNOTATION}, {},
    ),
    "annotated with nothing": Case(BY_ROLE, 0, MAY, json={"annotation": NO_ANNOTATION}, annotations={KEY: ""}),
    "another role is annotated": Case(BY_ROLE, 0, MAY, (OTHER,), {"fix": ""}, {KEY: OTHER}),
    "denied, and not annotated": Case(BY_ROLE, 1, NOT, (KEY,), {"fix": ""}, {}, ()),
    "an empty audience": Case(
        BY_ROLE, 1, f"{NOT}its {AUDIENCE} is empty", json={"annotation": EMPTY_AUDIENCE},
        annotations={KEY: ROLE, AUDIENCE: ""},
    ),
    "no role is asked or annotated": Case((), 1, "denied: web/app may not assume a role: it has no", annotations={}),
    "no such role": Case(
        (), 1, f"denied: web/app may not assume {UPPER}: there is no such role; one of that name is {ROLE}",
        json={"role": UPPER}, annotations={KEY: UPPER},
    ),
    "a role that there is not, by its ARN": Case(
        (UPPER,), 1, f"denied: web/app may not assume {UPPER}: there is no such role; one of that name is {ROLE}"
    ),
    "no ARN is annotated": Case((), 1, "denied: web/app may not assume app: 'app': not", annotations={KEY: "app"}),
    "missing": Case(
        BY_ROLE, 1, "missing: the trust policy would allow it, but there is no service account web/app in context",
        (" trust policy: allowed: ", " aud: sts.amazonaws.com"), {"good": False}, None,
    ),
    "missing and denied": Case(BY_ROLE, 1, "missing: there is no", (" trust policy: denied: ",), {}, None, ()),
    "missing without a role": Case((), 1, "missing: there is no service account", annotations=None),
    # --- An association
    "both ways": Case(
        (), 0, f"{MAY}statement 2 (Pods) allows it, ",
        (GIVES, f" token: older Pods ask for {ROLE}", " tags: session tags"),
        {"request": {"namespace": "web", "serviceAccount": "app", "clusterArn": CLUSTER_ARN, "sessionTags": True}},
        statements=(WEB, PODS), association=association(),
    ),
    "both ways, and a token is asked about": Case(
        (*BY_ROLE, "--audience", STS), 0, f"{MAY}statement 1 allows it", (GIVES, f"aud: {STS}"),
        statements=(WEB, PODS), association=association(),
    ),
    "it is refused, whatever the token gets": Case(
        (), 1, f"{NOT}no statement allows it; ", ("sts:TagSession", " token: "),
        statements=(WEB, {**PODS, "Action": "sts:AssumeRole"}), association=association(),
    ),
    "without tags, their keys are absent": Case(
        (), 1, NOT, ("aws:RequestTag/",), statements=(PODS,), association=association(disableSessionTags=True)
    ),
    "without tags and conditions": Case(
        (), 0, MAY, statements=(UNTAGGED,), association=association(disableSessionTags=True)
    ),
    "an add-on's, of another role": Case(
        BY_ROLE, 0, MAY, (f"a-1 (addon/cni owns it) gives new Pods {OTHER}",), {"annotation": "", "fix": ""}, {},
        association=association(OTHER, ownerArn="arn:aws:eks:us-west-2:1:addon/blue/cni/1"),
    ),
    "a target role that admits it": Case(
        (), 0, f"allowed: web/app may assume {OTHER}: ", (f"; {OTHER}: as target role of {ROLE}: ",), {"role": OTHER},
        {}, (PODS, chained(ROLE)), association(targetRoleArn=OTHER),
    ),
    "a target role that admits another": Case(
        (), 1, "denied", (), {"role": OTHER}, {}, (PODS, chained(UPPER)), association(targetRoleArn=OTHER)
    ),
    "a target role elsewhere": Case(
        (), 3, "cannot tell", ("not checked: these AWS credentials are not of AWS account 444455556666",), {}, {},
        (PODS,), association(targetRoleArn=ELSEWHERE),
    ),
    "a target role that may not be read": Case(
        (), 3, "cannot tell", ("not checked: iam:GetRole: AccessDenied",), {}, {},
        (PODS,), association(targetRoleArn=UNREAD),
    ),
}  # fmt: skip


def arrange(state: State, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a state that is as a case says; with an association, every role has its trust policy."""
    assert state.live_role
    state.live_role["AssumeRolePolicyDocument"]["Statement"] = [*case.statements]
    state.annotations, state.association = case.annotations, case.association
    if not case.association:
        return

    def get_role(self: Client, RoleName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        found = self._known(self.state.live_role)
        if UNREAD.endswith(f"/{RoleName}"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetRole")
        return {"Role": {**found, "RoleName": RoleName, "Arn": f"arn:aws:iam::{AWS_ACCOUNT}:role/{RoleName}"}}

    monkeypatch.setattr(Client, "get_role", get_role)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_cell(state: State, explain: Any, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    arrange(state, case, monkeypatch)
    said, answer = explain(*case.words), explain(*case.words, "--json")

    assert (said.code, answer.code) == (case.code, case.code)
    assert said.page.startswith(case.first), said.page
    assert [part for part in case.parts if part not in said.page] == []
    assert case.json.items() <= answer.json.items()
    assert answer.json["good"] is (case.code == 0)


@pytest.mark.parametrize(("action", "code"), [("s3:*", 1), ("sts:*", 0), (None, 3)])
def test_a_target_role_that_trusts_its_aws_account(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch, action: str | None, code: int
) -> None:
    """The role's own policies decide then, as for `irsa verify`; explain called all of these "cannot tell".

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    statements, of_it = (PODS, chained(f"arn:aws:iam::{AWS_ACCOUNT}:root")), association(targetRoleArn=OTHER)
    arrange(state, Case((), code, "", statements=statements, association=of_it), monkeypatch)
    state.documents["inline"] = document({"Effect": "Allow", "Action": action or "s3:*", "Resource": "*"})
    if action is None:
        monkeypatch.setattr(Client, "get_role_policy", lambda *_, **__: Client._fail("AccessDenied", ""))

    assert explain().code == code


@pytest.mark.parametrize(
    ("annotations", "words", "command"),
    [
        ({}, BY_ROLE, ["annotate", "--overwrite", f"{KEY}={ROLE}"]),
        ({}, WITH_STACK, ["pulumi", "up"]),
    ],
)
def test_the_command_that_sets_the_annotations_right(
    state: State, explain: Any, annotations: dict[str, str], words: tuple[str, ...], command: list[str]
) -> None:
    state.annotations = annotations
    fix = explain(*words, "--json").json["fix"]

    assert {*command} <= {*shlex.split(fix)}
    # One line, to be copied.
    assert f"\n    do:       {fix}\n" in explain(*words).out


@pytest.mark.parametrize("words", [(), BY_ROLE, (*BY_ROLE, "--audience", STS)])
@pytest.mark.parametrize("unread", [("list_clusters", {}), ("list_pod_identity_associations", ANNOTATED)])
def test_nobody_is_denied_who_may_have_an_association(
    state: State, explain: Any, monkeypatch: pytest.MonkeyPatch, unread: Any, words: tuple[str, ...]
) -> None:
    operation, annotations = unread
    case = Case((), 0, "", annotations=annotations, statements=(PODS,), association=association())
    arrange(state, case, monkeypatch)
    paginate = Pages.paginate

    def denied(self: Pages, **values: Any) -> Any:
        if self.operation == operation:
            Client._fail("AccessDeniedException", "Not authorized")
        return paginate(self, **values)

    monkeypatch.setattr(Pages, "paginate", denied)
    said = explain(*words)

    # What is asked of a token alone is answered.
    assert (said.code, said.page.startswith("denied" if words else "cannot tell")) == (1 if words else 3, True)
    assert (
        " association: irsa cannot tell whether an association of EKS Pod Identity gives it a role: eks:List"
        in said.page
    )


@pytest.mark.parametrize("stack", [(), ("--stack", "dev")])
def test_another_cluster_than_that_of_the_issuer_is_not_read(state: State, explain: Any, stack: Any) -> None:
    state.annotations = {}
    said = explain(ROLE, "--issuer", GREEN, *stack)

    assert (said.code, said.out) == (3, "")
    assert f"has the issuer {ISSUER}, not {GREEN}: " in said.err
    assert explain(ROLE, "--issuer", ISSUER, *stack).code == 0
    # As it advises: without a cluster, it is the trust policy's answer alone.
    assert explain(ROLE, "--issuer", GREEN, "--audience", STS, *stack).code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["apq"], "has no role apq, and a binding's key needs --stack"),
        (["apq", "--stack", "dev"], "has no role apq, and stack dev has no binding of that key; did you mean 'app'?"),
        (["app", "--stack", "dev"], "the binding app: "),
    ],
)
def test_what_is_neither_a_role_nor_a_key_is_said(state: State, explain: Any, words: list[str], said: str) -> None:
    state.live_role = None
    outputs = next(each["outputs"] for each in state.exported["deployment"]["resources"] if "outputs" in each)
    outputs["roleArn"] = {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "x"}
    answer = explain(*words)

    assert (answer.code, said in answer.err) == (2 if "needs --stack" in said else 3, True), answer.err
