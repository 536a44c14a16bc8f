import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.sandbox.live import allowing, create_role, trust_of
from tests.sandbox.project import Project
from tests.sandbox.test_adopt import FILE, adopt, bindings_of, kind_of, kinds, planned, sections, without_groups
from tests.world import PODS

pytestmark = pytest.mark.sandbox

CLUSTER = "my-cluster"
NAMESPACE = "default"
# By role: its service accounts, and the settings of their associations.
ROLES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "adopt-pods-one": (("adopt-one",), {"tags": {"team": "a"}}),
    "adopt-pods-shared": (("adopt-two", "adopt-three"), {}),
    "adopt-pods-limited": (("adopt-four",), {"disableSessionTags": True, "policy": json.dumps(allowing("*"))}),
}
ACCOUNTS = [each for accounts, _ in ROLES.values() for each in accounts]


@pytest.fixture
def associated(cloud: Any) -> Iterator[dict[str, str]]:
    iam, eks, kubernetes = cloud.aws("iam"), cloud.aws("eks"), cloud.kubernetes()
    found: dict[str, str] = {}
    for name, (accounts, settings) in ROLES.items():
        arn = create_role(iam, name, PODS)
        for each in accounts:
            kubernetes.create(ServiceAccount(metadata=ObjectMeta(name=each, namespace=NAMESPACE)))
            place = {"clusterName": CLUSTER, "namespace": NAMESPACE, "serviceAccount": each, "roleArn": arn}
            answer = eks.create_pod_identity_association(**place, **settings)
            found[each] = answer["association"]["associationId"]
    yield found
    for name, (accounts, _) in ROLES.items():
        iam.delete_role(RoleName=name)
        for each in accounts:
            kubernetes.delete(ServiceAccount, each, namespace=NAMESPACE)
            eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=found[each])


def live(cloud: Any, ids: dict[str, str]) -> dict[str, Any]:
    describe = cloud.aws("eks").describe_pod_identity_association
    answers = {each: describe(clusterName=CLUSTER, associationId=id_)["association"] for each, id_ in ids.items()}
    return {name: {key: each[key] for key in each if key != "modifiedAt"} for name, each in answers.items()}


def without_imports(project: Project) -> None:
    """Remove what the report says: every `import:` and `importIds:`, and the statement for any association."""
    file = project.folder / FILE
    content = yaml.safe_load(file.read_text())
    for binding in content["config"]["irsa:bindings"].values():
        binding.pop("import", None)
        binding.get("trust", {}).pop("statements", None)
        binding.get("podIdentity", {}).pop("importIds", None)
    file.write_text(yaml.safe_dump(content))


def test_associations_are_imported_as_they_are(cloud: Any, associated: dict[str, str], tmp_path: Path) -> None:
    project = Project(cloud, tmp_path / "project", {})
    before = live(cloud, associated)
    chosen = [word for name in ROLES for word in ("--role", name)]
    said = adopt(project, *chosen)
    assert said.returncode == 0, said.stdout + said.stderr
    assert len(sections(said.stdout)["roles, rewritten"]) == len(ROLES)
    ids = [each.get("podIdentity", {}).get("importIds") for each in bindings_of(project).values()]
    assert sorted(next(iter(each.values())) for each in ids if each) == sorted(associated.values())

    done = without_groups(project.events("up", "--yes", "--skip-preview"))
    counted = kinds(done)
    assert counted["import", "PodIdentityAssociation"] == len(ACCOUNTS)
    assert counted["import", "Role"] == counted["update", "Role"] == len(ROLES)
    changed = {kind_of(each) for each in done if each["op"] != "import"}
    # The Kubernetes plugin notes its own annotations.
    assert changed <= {"Role", "ServiceAccount"}
    assert live(cloud, associated) == before
    assert PODS in trust_of(cloud.aws("iam"), "adopt-pods-one")
    without_imports(project)
    # The second `up` that the report advises.
    assert {kind_of(each) for each in planned(project)} <= {"Role", "ServiceAccount"}
    project.events("up", "--yes", "--skip-preview")
    assert planned(project) == []
    assert live(cloud, associated) == before
    statements = trust_of(cloud.aws("iam"), "adopt-pods-one")
    assert [each["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] for each in statements] == [
        "adopt-one"
    ]
