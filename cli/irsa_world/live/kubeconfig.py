"""Which cluster, and whose credentials: the kubeconfig context of a Kubernetes provider."""

import copy
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import yaml
from lightkube import KubeConfig
from lightkube.config.kubeconfig import SingleConfig, to_mapping
from lightkube.config.models import Cluster, NameValue, User, UserExec
from lightkube.core.exceptions import ConfigError

from irsa.rules.commands import UNKNOWN_CLUSTER, ClusterPlace
from irsa.rules.mistakes import listed, named, nearest
from irsa_world.exits import CouldNotLookError, SecretInStateError
from irsa_world.state.places import cluster_place
from irsa_world.state.resource import is_secret

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PROGRAM_VERSION = "client.authentication.k8s.io/v1"
# lightkube runs no program of v1, whose answer has the token in the same place.
LIGHTKUBE_VERSION = "client.authentication.k8s.io/v1beta1"

Inputs = Mapping[str, Any]

# msgspec, by which lightkube reads a kubeconfig, crashes where two threads are the first to read a type.
_parsing = threading.Lock()


class NoKubeconfigError(CouldNotLookError):
    """There is no such kubeconfig."""


class NoContextError(CouldNotLookError):
    """There is no such context in a kubeconfig."""


class UnreadKeyError(CouldNotLookError):
    """A kubeconfig says something that kubectl follows and irsa does not."""


class ApiServer(Cluster):
    """A cluster, with the keys that lightkube does not read.

    Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
    """

    proxy_url: str | None = msgspec.field(name="proxy-url", default=None)
    tls_server_name: str | None = msgspec.field(name="tls-server-name", default=None)


class CredentialProgram(UserExec):
    """Likewise, the program that prints a user's token."""

    cluster_info: bool | None = msgspec.field(name="provideClusterInfo", default=None)


class KubeconfigUser(User):
    """Likewise, a user. What is here is not followed, so that it is refused."""

    exec: CredentialProgram | None = None
    impersonated: Any = msgspec.field(name="as", default=None)
    impersonated_uid: Any = msgspec.field(name="as-uid", default=None)
    impersonated_groups: Any = msgspec.field(name="as-groups", default=None)
    impersonated_extra: Any = msgspec.field(name="as-user-extra", default=None)

    def unread(self) -> Iterator[str]:
        """Yield the keys that are not followed."""
        for field in msgspec.structs.fields(type(self)):
            if (field.name.startswith("impersonated") or field.name == "auth_provider") and getattr(self, field.name):
                yield field.encode_name
        if self.exec and self.exec.cluster_info:
            yield "exec.provideClusterInfo"


@contextmanager
def as_could_not_look(question: str) -> Iterator[None]:
    """Raise CouldNotLookError for every failure, with one sentence that has no token in it."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, ConfigError, OSError, ValueError) as error:
        raise CouldNotLookError(f"{question}: {error or type(error).__name__}") from error


def configuration(inputs: Inputs) -> SingleConfig:
    """Return the kubeconfig context of a Kubernetes provider of these inputs.

    Raises:
        NoKubeconfigError: There is no such kubeconfig.
        NoContextError: There is no such context in it.
        CouldNotLookError: The kubeconfig cannot be read, is a secret in the state, or has a key irsa does not follow.
    """
    kubeconfig, context = inputs.get("kubeconfig"), inputs.get("context")
    if kubeconfig is not None and not isinstance(kubeconfig, str):
        # The plugin takes an object too, such as the output `kubeconfig` of pulumi-eks. In a stack file, a secret is
        # `{secure: ...}`.
        if is_secret(kubeconfig) or not (isinstance(kubeconfig, Mapping) and "clusters" in kubeconfig):
            raise SecretInStateError("the state keeps the kubeconfig of the stack's Kubernetes provider as a secret")
        kubeconfig = json.dumps(kubeconfig)
    configs = list(_configurations(kubeconfig))
    name = context or next((str(config.current_context) for config in configs if config.current_context), None)
    if not configs:
        raise NoKubeconfigError(f"there is no kubeconfig {listed([*map(str, _files())])}")
    files = ", ".join(named(str(config.fname)) for config in configs if config.fname)
    where = f"kubeconfig {files}" if files else "the kubeconfig"
    contexts = {each for config in configs for each in config.contexts}
    has = f"it has: {listed(sorted(contexts)) or 'none'}"
    if name is None:
        raise NoContextError(f"{where} has no current context; {has}")
    # kubectl merges files in this way: the first file that has a name counts.
    chosen = next((config.contexts[name] for config in configs if name in config.contexts), None)
    if chosen is None:
        raise NoContextError(f"{where} has no context {named(name)}; {nearest(name, contexts, has)}")
    cluster = inputs.get("cluster") or chosen.cluster
    home = next((config for config in configs if cluster in config.clusters), None)
    if home is None:
        raise CouldNotLookError(f"{where}: no cluster {named(cluster)}, which context {named(name)} names")
    user = next(
        (_resolved(config, config.users[chosen.user]) for config in configs if chosen.user in config.users), None
    )
    if user is None:
        raise CouldNotLookError(f"{where}: no user {named(chosen.user or '')}, which context {named(name)} names")
    for key in user.unread() if isinstance(user, KubeconfigUser) else ():
        raise UnreadKeyError(f"{where}: user {named(chosen.user or '')} has {key}, which irsa does not follow")
    proxy = getattr(home.clusters[cluster], "proxy_url", None) or "http://"
    if not proxy.startswith(("http://", "https://")):
        text = "has a proxy-url that begins with neither http:// nor https://; irsa uses no other proxy"
        raise UnreadKeyError(f"{where}: cluster {named(cluster)} {text}")
    return SingleConfig(name, chosen, home.clusters[cluster], user, home.fname)


def place_of(inputs: Inputs, config: SingleConfig) -> ClusterPlace:
    """Return by which options kubectl acts on the cluster of a Kubernetes provider, whose kubeconfig was read."""
    if config.fname is None:
        return UNKNOWN_CLUSTER if inputs.get("kubeconfig") else ClusterPlace("")
    found = cluster_place({**inputs, "context": config.context_name})
    # What kubectl reads in any case needs no option.
    is_default = [each.resolve() for each in _files()] == [config.fname.resolve()]
    return found._replace(kubeconfig="") if is_default else found


def _resolved(config: KubeConfig, user: User) -> User:
    """Return a user with absolute paths, since in its kubeconfig each path is relative to that file; a program, too.

    What kubectl tells a program, it is told here:
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    folder = config.fname.parent.resolve() if config.fname else Path()
    found = copy.copy(user)
    for name in ("client_cert", "client_key", "token_file"):
        if getattr(user, name):
            setattr(found, name, str(folder / getattr(user, name)))
    if user.exec:
        program = found.exec = copy.copy(user.exec)
        # Without a slash it is looked for in PATH.
        program.command = str(folder / program.command) if os.sep in program.command else program.command
        asked = {"apiVersion": program.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
        program.env = [*(program.env or ()), NameValue("KUBERNETES_EXEC_INFO", json.dumps(asked))]
        program.apiVersion = LIGHTKUBE_VERSION if program.apiVersion == PROGRAM_VERSION else program.apiVersion
    return found


def _configurations(kubeconfig: str | None) -> Iterator[KubeConfig]:
    """Yield the kubeconfigs that a Kubernetes provider reads: its own, else those of kubectl, else the Pod's."""
    if kubeconfig:
        if "\n" in kubeconfig or kubeconfig.startswith("{"):
            yield _parsed("the provider's kubeconfig", kubeconfig)
        elif (file := _in_project(kubeconfig)).is_file():
            yield _read(file)
        else:
            raise NoKubeconfigError(f"there is no kubeconfig {named(str(file))}")
        return
    files = [file for file in _files() if file.is_file()]
    yield from map(_read, files)
    if not files and SERVICE_ACCOUNT_FOLDER.is_dir():
        with as_could_not_look("the Pod's service account"):
            yield KubeConfig.from_service_account()


def _in_project(path: str) -> Path:
    """Return the path of a provider's kubeconfig, which is relative to the folder of Pulumi.yaml."""
    here, names = Path.cwd(), ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
    folder = next((each for each in (here, *here.parents) if any((each / name).is_file() for name in names)), here)
    # Of a user that does not exist, Path.expanduser raises.
    return folder / os.path.expanduser(path)  # noqa: PTH111


def _files() -> list[Path]:
    """Return the files that kubectl reads."""
    listed_ones = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return listed_ones or [Path("~/.kube/config").expanduser()]


def _read(file: Path) -> KubeConfig:
    with as_could_not_look(f"kubeconfig {named(str(file))}"):
        text = file.read_text(encoding="utf-8")
    return _parsed(f"kubeconfig {named(str(file))}", text, file)


def _parsed(where: str, text: str, file: Path | None = None) -> KubeConfig:
    try:
        document = yaml.safe_load(text) or {}
        lists = {name: document.get(name) or [] for name in ("clusters", "contexts", "users")}
        with _parsing:
            found = KubeConfig.from_dict({**document, **lists, "clusters": [], "users": []}, file)
            found.clusters = to_mapping(lists["clusters"], "cluster", ApiServer)
            found.users = to_mapping(lists["users"], "user", KubeconfigUser)
            return found
    except yaml.MarkedYAMLError as error:
        # Its message quotes the text, which may have a token in it.
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CouldNotLookError(f"{where}: not YAML{line}") from None
    except Exception as error:
        # So do these: for `token: !!int x` it is a ValueError with the token in it.
        raise CouldNotLookError(f"{where}: not a kubeconfig ({type(error).__name__})") from None
