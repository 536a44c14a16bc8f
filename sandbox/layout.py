"""The sandbox's folders and files, and the names of its cloud."""

import errno
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

AWS_ACCOUNT = "111122223333"
OTHER_AWS_ACCOUNT = "444455556666"
# The one role that can be assumed in each AWS account without being created: by it, the others are.
ADMINISTRATOR = "administrator"
REGION = "us-west-2"
CLUSTER = "my-cluster"
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
AUDIENCE = "sts.amazonaws.com"
CONTEXT = "irsa-sandbox"
STACK = "dev"
PASSPHRASE = "irsa-sandbox"  # noqa: S105 - it protects nothing: the sandbox holds no real secret
# A full disk, a user's quota, a limit on the size of files.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A folder or a file of somebody else, and a disk that is read-only.
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


class SandboxError(Exception):
    """An error that the user can fix: printed as one line, without a traceback."""


class Sandbox:
    """One sandbox is one folder; two of them share nothing but the cache of built programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.logs = folder / "logs"
        self.records = folder / "run"
        self.pulumi_home = folder / "pulumi-home"
        self.state = folder / "state"
        self.kubernetes = folder / "kubernetes"
        self.folders = (self.programs, self.logs, self.records, self.pulumi_home, self.state, self.kubernetes)
        self.kubeconfig = folder / "kubeconfig"
        # The API server's, which it writes when it starts for the first time; its key is beside it.
        self.certificate = self.kubernetes / "certificates" / "apiserver.crt"
        self.clusters = folder / "clusters.json"
        self.quotas = folder / "quotas.json"
        self.last_use = folder / "last_use.json"
        self.environment_file = folder / "env"

    def prepare(self) -> None:
        """Create the folders; only their owner may read them, since they hold keys."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self.folders:
            folder.mkdir(exist_ok=True)


def checkout_sandbox() -> Sandbox:
    """Return the sandbox of this checkout, the one that `make up` starts."""
    return Sandbox(CHECKOUT / ".sandbox")


def write_atomically(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.chmod(mode)
    temporary.replace(path)


def in_terminal(command: Callable[[], int], folder: Path) -> int:
    """Run a command and return its exit code; an error that the user can fix is a line.

    Args:
        command: Returns the exit code.
        folder: What a disk refuses, where its error names no file.
    """
    try:
        return command()
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
    except OSError as error:
        if error.errno in FULL:
            do = "Free some space"
        elif error.errno in NOT_WRITABLE and error.filename:
            do = "Make it writable, or for built programs set XDG_CACHE_HOME to another folder"
        else:
            raise
        sys.stderr.write(f"{error.strerror}: {error.filename or folder}. {do}, then run the same command again.\n")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Run the same command again to continue; `make down` stops the servers.\n")
        return 130
    return 1


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of built programs that all clones of one user share."""
    configured = environment.get("XDG_CACHE_HOME", "")
    return (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / "irsa"


def machine() -> str:
    """Return the operating system and processor in Go's words: linux-amd64, darwin-arm64."""
    processor = platform.machine().lower()
    return f"{platform.system().lower()}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(processor, processor) }"
