"""A cluster outside EKS, whose issuer publishes copies of what the real API server prints: broken, found, repaired."""

import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.layout import Sandbox
from sandbox.servers import (
    add_cluster,
    choose_ports,
    etcd,
    kube_apiserver,
    kube_controller_manager,
    start,
    write_access,
    write_credentials,
)
from tests.issuer_site import DISCOVERY, ISSUER, KEYS, Site, issuer_site
from tests.sandbox.end_of_run import stopped_afterwards
from tests.sandbox.irsa_command import irsa, not_good, report
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

BINDING = {
    "serviceAccount": {"name": "outside"},
    "role": {"name": "outside"},
    "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
}
COPIES = {DISCOVERY: "/.well-known/openid-configuration", KEYS: "/openid/v1/jwks"}


class Outside(NamedTuple):
    """A cluster outside EKS, what its issuer publishes, and a stack there."""

    cloud: Any
    site: Site
    project: Project
    restart: Callable[..., None]

    def verify(self, **variables: str) -> tuple[int, list[dict[str, str]]]:
        code, checks = report(self.project, "verify", **{**self.site.variables, **variables})
        return code, not_good(checks)

    def explain(self) -> Any:
        return irsa(self.project, "explain", "default/outside", "outside", "--stack", STACK, **self.site.variables)

    def follow(self, advice: str) -> None:
        """Publish what the command of an advice prints where it says."""
        command, url = re.findall("what `(.+?)` prints, at (https://[^;]+)", advice)[0]
        printed = self.cloud.run(*shlex.split(command))
        assert printed.returncode == 0, printed.stderr
        self.site.publish(url, printed.stdout)

    def repaired(self, found: str) -> None:
        """Verify that this alone is found, follow the advice, and verify that all is good."""
        code, (check,) = self.verify()
        assert (code, check["check"], check["binding"]) == (1, "issuer", "irsa:clusters.own")
        assert found in check["found"]
        self.follow(check["expected"])
        assert self.verify() == (0, [])


def new_key(folder: Path) -> tuple[Path, Path]:
    """Write a key for tokens, and return the files of its public and private part."""
    key, pem = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM
    public, private = folder / "new.pub", folder / "new.key"
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return public, private


@pytest.fixture(scope="module")
def outside(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    own, folder = Sandbox(cloud.folder / "outside"), tmp_path_factory.mktemp("outside")
    own.prepare()
    own.programs.rmdir()
    own.programs.symlink_to(cloud.sandbox.programs)
    ports = choose_ports(own, cloud.progress)
    write_credentials(own)

    def restart(*options: str) -> None:
        server = kube_apiserver(own, ports, ISSUER)
        command = (*server.command, f"--service-account-jwks-uri={KEYS}", *options)
        start(own, dataclasses.replace(server, command=command), cloud.progress)

    with stopped_afterwards(own), issuer_site(folder) as site:
        start(own, etcd(own, ports), cloud.progress)
        restart()
        write_access(own, ports)
        start(own, kube_controller_manager(own, ports), cloud.progress)
        cluster = {"oidcIssuer": ISSUER, "createOidcProvider": True, "kubernetes": {"context": "irsa-sandbox"}}
        others = {name: {"serviceAccount": {"name": name}, "policyArns": []} for name in ("other", "third")}
        values = {"clusters": {"own": cluster}, "bindings": {"outside": BINDING, **others}}
        project = Project(cloud, folder / "project", values, variables={"KUBECONFIG": str(own.kubeconfig)})
        project.up()
        # STS reads what the issuer publishes.
        clusters = cloud.sandbox.clusters.read_text()
        published = {"issuer": ISSUER, "endpoint": f"{site.variables['HTTPS_PROXY']}/own"}
        add_cluster(cloud.sandbox, {**json.loads(own.clusters.read_text())[0], "name": "outside", **published})
        found = Outside(dataclasses.replace(cloud, sandbox=own), site, project, restart)
        for url, path in COPIES.items():
            found.follow(f"what `kubectl get --raw {path}` prints, at {url}")
        yield found
        cloud.sandbox.clusters.write_text(clusters)
        project.destroy()


def test_prove_shows_what_verify_finds(outside: Outside) -> None:
    """A key that signs and is not published: STS refuses each token, and takes it when the advice was followed."""
    keys = json.loads(outside.site.pages[KEYS].body)
    outside.site.publish(KEYS, {"keys": [{**each, "kid": "x"} for each in keys["keys"]]})
    code, checks = report(outside.project, "prove")
    assert (code, len(not_good(checks))) == (1, 3)
    assert all("STS cannot validate the cluster's token" in check["found"] for check in not_good(checks))

    outside.repaired("is not published")
    code, checks = report(outside.project, "prove")
    assert (code, not_good(checks)) == (0, [])


def test_keys_are_rotated_as_advised(outside: Outside, tmp_path: Path) -> None:
    """https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/, kamaji#1325: 26 minutes."""
    public, private = new_key(tmp_path)
    options = [f"--service-account-key-file={public}", f"--service-account-signing-key-file={private}"]
    outside.restart(options[0])
    explained = outside.explain()
    assert (explained.returncode, "Pods will fail when it signs: publish it" in explained.stdout) == (0, True)
    before = outside.site.pages[KEYS]
    outside.repaired("is not published")
    outside.restart(*options)
    verified = irsa(outside.project, "verify", "--stack", STACK, **outside.site.variables)
    assert (verified.returncode, verified.stdout.partition("\n")[0][-10:]) == (0, "3 bindings"), verified.stdout
    # Whoever signs first, with a key that nobody has published.
    outside.site.pages[KEYS] = before
    explained = outside.explain()
    assert explained.returncode == 1
    assert re.match("denied: .*: STS does not take its tokens, .*: key .* is not published\n", explained.stdout)
    outside.repaired("is not published")


def test_the_documented_rights_are_enough(outside: Outside, tmp_path: Path) -> None:
    """Who may create tokens of a service account may act as it: that right is not among them."""
    kubeconfig, administrator = outside.cloud.sandbox.kubeconfig, outside.cloud.sandbox.kubeconfig.read_text()
    verifying = access(outside.cloud, tmp_path, "verifying", "kubernetes-verify.yaml")["KUBECONFIG"]
    kubeconfig.write_text(Path(verifying).read_text())
    outside.site.asked.clear()
    code, checks = report(outside.project, "verify", **outside.site.variables)
    kubeconfig.write_text(administrator)

    assert (code, not_good(checks), outside.site.asked) == (0, [], [DISCOVERY, KEYS])
    (unread,) = [check for check in checks if check["outcome"] == "not checked"]
    assert "serviceaccounts/token" in unread["found"]
