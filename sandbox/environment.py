"""The environment variables that point every tool at the sandbox, and keep the user's settings out of it."""

import os
import shlex
from collections.abc import Mapping

from sandbox.layout import CHECKOUT, PASSPHRASE, REGION, Sandbox, write_atomically

# The user's profiles and sessions must not leak into the sandbox.
UNSET = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL_EKS_AUTH", "AWS_ENDPOINT_URL_S3",
    "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_STACK", "PULUMI_CONFIG",
    "PULUMI_IGNORE_AMBIENT_PLUGINS", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")  # fmt: skip
NO_PROXY = ("127.0.0.1", "localhost")


def sandbox_variables(sandbox: Sandbox, aws_port: int) -> dict[str, str]:
    """Return what `.sandbox/env` exports, without PATH and NO_PROXY."""
    aws = sandbox.folder / "aws"
    return {
        "IRSA_SANDBOX": str(sandbox.folder),
        "PULUMI_HOME": str(sandbox.pulumi_home),
        # With metadata, an engine that is killed may leave an empty file beside its state, and cannot read it any more.
        "PULUMI_BACKEND_URL": f"{sandbox.state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Each command would keep one more copy of the state, which nobody goes back to here.
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "KUBECONFIG": str(sandbox.kubeconfig),
        # Else kubectl writes into ~/.kube/cache.
        "KUBECACHEDIR": str(sandbox.folder / "kube-cache"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(aws / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials"),
        "AWS_PAGER": "",
    }


def path_folders(sandbox: Sandbox) -> list[str]:
    return [str(CHECKOUT / ".venv" / "bin"), str(sandbox.programs)]


def environment(sandbox: Sandbox, aws_port: int, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the inherited environment variables, with those that select a cloud replaced."""
    kept = {name: value for name, value in inherited.items() if name not in UNSET}
    proxies = {
        name: ",".join([*NO_PROXY, *filter(None, [inherited.get(name, "")])]) for name in ("NO_PROXY", "no_proxy")
    }
    path = os.pathsep.join([*path_folders(sandbox), inherited.get("PATH", os.defpath)])
    return {**kept, **sandbox_variables(sandbox, aws_port), **proxies, "PATH": path}


def write_environment_file(sandbox: Sandbox, aws_port: int) -> None:
    """Write the same variables as a file that any POSIX shell can source."""
    path = shlex.quote(os.pathsep.join(path_folders(sandbox)))
    lines = [
        "# Points pulumi, kubectl, boto3 and aws at this checkout's sandbox. Written by: make up",
        *(f"unset {name}" for name in UNSET),
        *(f"export {name}={shlex.quote(value)}" for name, value in sandbox_variables(sandbox, aws_port).items()),
        *(f'export {name}="{",".join(NO_PROXY)}${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy")),
        f'export PATH={path}"${{PATH:+:$PATH}}"',
    ]
    write_atomically(sandbox.environment_file, "\n".join(lines) + "\n")
