"""The sandbox of one process of a test run. Its folder, ports and servers are not those of `make up`."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client
from lightkube import operators as op
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.engine import prepare_engine
from sandbox.environment import environment, write_environment_file
from sandbox.layout import REGION, Sandbox
from sandbox.parts import prepare_parts
from sandbox.plugins_install import SDKS, plugin_program, write_launcher
from sandbox.second_cluster import second_cluster, seed_clusters, start_second_cluster, stop_second_cluster
from sandbox.seed import aws_client, kubernetes_client, seed
from sandbox.servers import pods, start, start_servers, stop
from sandbox.step_progress import StepProgress
from sandbox.versions import official_parts
from tests.sandbox.admission import ApiServer, watch_config_maps
from tests.sandbox.end_of_run import stopped_afterwards
from tests.sandbox.estate import remove_policy, remove_role
from tests.sandbox.guard_pods import ACCOUNTS_AND_WAYS, NAMESPACES
from tests.sandbox.official_differences import DIFFERENCES
from tests.sandbox.project import Program, Project
from tests.sandbox.warm_python import warm_python

# A line of the AWS API's log: time, method and path, protocol, for IAM and STS the operation, status.
REQUEST = re.compile(r"^\S+ ([A-Z]+ \S+) HTTP/\S+((?: [A-Z]\w+)?) \d{3}$", re.MULTILINE)


@dataclass
class Cloud:
    sandbox: Sandbox
    ports: dict[str, int]
    progress: StepProgress = field(default_factory=StepProgress)
    of_the_tests: dict[str, str] = field(default_factory=dict)
    _aws: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.sandbox.folder

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name != "IRSA_SANDBOX"}
        variables = environment(self.sandbox, self.ports["aws-api"], own)
        # Before this checkout's own `irsa`.
        path = os.pathsep.join([str(self.sandbox.programs), variables["PATH"]])
        return {**variables, "PATH": path, **self.of_the_tests}

    @property
    def virtualenv(self) -> Path:
        return self.folder / "warm"

    @property
    def aws_address(self) -> str:
        return self.environment()["AWS_ENDPOINT_URL"]

    def aws(self, service: str, credentials: dict[str, Any] | None = None, region: str = REGION) -> Any:
        """Return a boto3 client, with the administrator's credentials always the same one: each loads AWS's models."""
        if credentials or region != REGION:
            return aws_client(self.sandbox, self.ports["aws-api"], service, credentials, region)
        if service not in self._aws:
            self._aws[service] = aws_client(self.sandbox, self.ports["aws-api"], service)
        return self._aws[service]

    def kubernetes(self, namespace: str = "default") -> Client:
        return kubernetes_client(self.sandbox, namespace)

    def run(
        self, *command: str, folder: Path | None = None, timeout: float = 300, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder or self.folder,
            env={**self.environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pulumi(
        self, folder: Path, *arguments: str, timeout: float = 300, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return self.run("pulumi", *arguments, "--non-interactive", folder=folder, timeout=timeout, **variables)

    def aws_requests(self) -> Counter[str]:
        log = (self.sandbox.logs / "aws-api.log").read_text()
        return Counter(path + operation for path, operation in REQUEST.findall(log))

    def contents(self) -> set[tuple[str, str]]:
        """Return what tests may leave, each by kind and name: roles, policies and service accounts."""
        iam = self.aws("iam")
        # Each namespace has the default one, as soon as it exists.
        accounts = self.kubernetes().list(
            ServiceAccount, namespace="*", fields={"metadata.name": op.not_equal("default")}
        )
        names = [each.metadata for each in accounts if each.metadata]
        return {
            *(("service account", f"{each.namespace}/{each.name}") for each in names),
            *(("role", each["RoleName"]) for each in iam.list_roles(MaxItems=1000)["Roles"]),
            *(("policy", each["Arn"]) for each in iam.list_policies(Scope="Local", MaxItems=1000)["Policies"]),
        }

    def remove(self, contents: Iterable[tuple[str, str]]) -> None:
        """Delete these; a policy once no role has it."""
        iam, client = self.aws("iam"), self.kubernetes()
        for kind, name in sorted(contents, key=lambda each: each[0] == "policy"):
            if kind == "role":
                remove_role(iam, name)
            elif kind == "policy":
                remove_policy(iam, name)
            else:
                namespace, _, own = name.partition("/")
                client.delete(ServiceAccount, own, namespace=namespace)

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("kubectl", *arguments)


@contextmanager
def prepared_sandbox(folder: Path, progress: StepProgress) -> Iterator[Sandbox]:
    """Prepare a sandbox in a folder, and have what was started of it stopped by its own process ids."""
    sandbox = Sandbox(folder)
    sandbox.prepare()
    with stopped_afterwards(second_cluster(sandbox), sandbox):
        prepare_parts(sandbox, progress)
        yield sandbox


@contextmanager
def running_cloud(folder: Path) -> Iterator[Cloud]:
    progress = StepProgress()
    with prepared_sandbox(folder, progress) as sandbox:
        started = Cloud(sandbox, start_servers(sandbox, progress), progress)
        seed(sandbox, started.ports["aws-api"])
        write_environment_file(sandbox, started.ports["aws-api"])
        prepare_engine(sandbox, started.environment(), progress)
        with warm_python(started.virtualenv) as python:
            start_by(python, sandbox)
            yield started


def start_by(python: Path, sandbox: Sandbox) -> None:
    write_launcher(sandbox.programs / "irsa", "-m", "irsa_cli")
    plugins = [plugin_program(sandbox, name) for name in SDKS]
    host = sandbox.programs / "pulumi-language-python"
    for program in (sandbox.programs / "irsa", host, *plugins):
        # Official ones are no scripts.
        if not program.is_symlink() and (script := program.read_bytes()).startswith(b"#!"):
            program.write_bytes(script.replace(shlex.quote(sys.executable).encode(), shlex.quote(str(python)).encode()))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("sandbox")) as started:
        watch_config_maps(ApiServer(started))
        # The state is written once, at the end: half of the time of a large `up` was the writing of those before.
        started.of_the_tests["PULUMI_SKIP_CHECKPOINTS"] = "true"
        yield started


@pytest.fixture(scope="session")
def iam(cloud: Cloud) -> Any:
    return cloud.aws("iam")


@contextmanager
def running_second_cluster(cloud: Cloud) -> Iterator[Path]:
    try:
        start_second_cluster(cloud.sandbox, cloud.progress)
        seed_clusters(cloud.sandbox, cloud.ports["aws-api"])
        yield second_cluster(cloud.sandbox).kubeconfig
    finally:
        stop_second_cluster(cloud.sandbox, cloud.progress)


@pytest.fixture(scope="module")
def green(cloud: Cloud) -> Iterator[str]:
    with running_second_cluster(cloud) as kubeconfig:
        yield str(kubeconfig)


@pytest.fixture(scope="module")
def webhook_down(cloud: Cloud) -> Iterator[None]:
    """Stop the Pod Identity webhook, which fails open: Pods are what a test sends."""
    stop(cloud.sandbox, "pods")
    yield
    start(cloud.sandbox, pods(cloud.sandbox, cloud.ports), cloud.progress)


@pytest.fixture(scope="module")
def api(cloud: Any, webhook_down: None) -> Iterator[ApiServer]:
    """The API server, with the namespaces and service accounts of the guard's tests."""
    server = ApiServer(cloud)
    made: list[Any] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in NAMESPACES[:-1]
    ]
    server.apply(*made)
    accounts: list[Any] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        for namespace, name in itertools.product(NAMESPACES, ACCOUNTS_AND_WAYS)
    ]
    server.apply(*accounts)
    yield server
    server.delete(*made, *(each for each in accounts if "default" not in each["metadata"].values()))


@pytest.fixture(scope="module", autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete what a module leaves in the sandbox, so that the next module does not depend on it."""
    if not request.node.get_closest_marker("sandbox"):
        yield
        return
    cloud: Cloud = request.getfixturevalue("cloud")
    before = cloud.contents()
    yield
    cloud.remove(cloud.contents() - before)


@pytest.fixture
def deploy(cloud: Cloud, tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Deploy settings as a stack of the test's own, and destroy it after the test."""
    projects: list[Project] = []

    def run(values: dict[str, Any], region: str = "us-west-2", **variables: str) -> Project:
        project = Project(cloud, tmp_path / f"project-{len(projects)}", values, region, variables)
        projects.append(project)
        return project

    yield run
    for project in reversed(projects):
        project.clean_up()


@pytest.fixture
def program(cloud: Cloud, tmp_path: Path) -> Iterator[Program]:
    """A program of one's own, which a test writes; what it has deployed is destroyed after the test."""
    own = Program(cloud, tmp_path / "own")
    yield own
    own.clean_up()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Expect the differences of the official Kubernetes plugin of January 2026 where it is in use."""
    difference = DIFFERENCES.get(pyfuncitem.name) if official_parts(os.environ) else None
    if difference is None:
        return (yield)
    with pytest.raises((Exception, pytest.fail.Exception), match=difference):
        yield
    pytest.xfail("the official plugin of January 2026")
