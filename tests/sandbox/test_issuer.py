"""A cluster outside EKS, whose issuer publishes copies of what the real API server writes: broken, found, repaired."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.layout import Sandbox
from sandbox.servers import choose_ports, etcd, kube_apiserver, start, write_access, write_credentials
from tests.issuer_site import DISCOVERY, ISSUER, KEYS, Site, issuer_site
from tests.sandbox.end_of_run import stopped_afterwards
from tests.sandbox.irsa_command import ACCOUNT, irsa, not_good, report
from tests.sandbox.project import STACK, Project

pytestmark = pytest.mark.sandbox

ROLE = f"arn:aws:iam::{ACCOUNT}:role/outside"
BINDING = {
    "serviceAccount": {"name": "outside"},
    "role": {"name": "outside"},
    "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
}


class Outside(NamedTuple):
    """A cluster outside EKS, what its issuer publishes, and a stack there."""

    sandbox: Sandbox
    site: Site
    project: Project
    restart: Callable[..., None]

    def verify(self, **variables: str) -> tuple[int, list[dict[str, str]]]:
        return report(self.project, "verify", **{**self.site.variables, **variables})

    def explain(self) -> Any:
        return irsa(self.project, "explain", "default/outside", "outside", "--stack", STACK, **self.site.variables)

    def follow(self, advice: str) -> None:
        """Publish what the command of an advice prints where it says."""
        command, url = re.search("what `(.+?)` prints, at (https://[^;]+)", advice).groups()  # type: ignore[union-attr]
        printed = self.project.cloud.run(*shlex.split(command))
        assert printed.returncode == 0, printed.stderr
        self.site.publish(url, printed.stdout)


def new_key(folder: Path) -> tuple[str, str]:
    """Write a key for tokens, and return the paths of its public and private part."""
    key, pem = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("next.pub", public), ("next.key", private)):
        (folder / name).write_bytes(content)
    return str(folder / "next.pub"), str(folder / "next.key")


@pytest.fixture(scope="module")
def outside(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    own, folder = Sandbox(cloud.folder / "outside"), tmp_path_factory.mktemp("outside")
    own.prepare()
    own.programs.rmdir()
    own.programs.symlink_to(cloud.sandbox.programs)
    ports = choose_ports(own, cloud.progress)
    write_credentials(own, ports)

    def restart(*options: str, key: str = str(own.kubernetes / "service-account.key")) -> None:
        server = kube_apiserver(own, ports, ISSUER)
        kept = [each for each in server.command if "signing-key-file" not in each]
        more = f"--service-account-jwks-uri={KEYS}", f"--service-account-signing-key-file={key}", *options
        start(own, replace(server, command=(*kept, *more)), cloud.progress)

    with stopped_afterwards(own), issuer_site(folder) as site:
        start(own, etcd(own, ports), cloud.progress)
        restart()
        write_access(own, ports)
        access_ = {"kubeconfig": str(own.kubeconfig), "context": "irsa-sandbox"}
        cluster = {"oidcIssuer": ISSUER, "createOidcProvider": True, "kubernetes": access_}
        project = Project(cloud, folder / "project", {"clusters": {"own": cluster}, "bindings": {"outside": BINDING}})
        project.up()
        found = Outside(own, site, project, restart)
        found.follow(
            f"what `kubectl get --raw /.well-known/openid-configuration --kubeconfig {own.kubeconfig}` prints, at {DISCOVERY}"
        )
        found.follow(f"what `kubectl get --raw /openid/v1/jwks --kubeconfig {own.kubeconfig}` prints, at {KEYS}")
        yield found
        project.destroy()


def test_green(outside: Outside) -> None:
    code, checks = outside.verify()
    print(json.dumps(checks, indent=1))
    print(irsa(outside.project, "verify", "--stack", STACK, **outside.site.variables).stdout)
    print(outside.explain().stdout)
    assert (code, not_good(checks)) == (0, [])
