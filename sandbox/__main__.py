"""The commands of the Makefile, as `python -m sandbox COMMAND`."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping

from sandbox.engine import irsa_in_terminal, prepare_engine, pulumi, pulumi_in_terminal, select_stack
from sandbox.environment import environment, write_environment_file
from sandbox.layout import CHECKOUT, STACK, Sandbox, SandboxError, cache_folder, checkout_sandbox, in_terminal
from sandbox.locks import held
from sandbox.parts import prepare_parts
from sandbox.second_cluster import second_cluster, seed_clusters, start_second_cluster, stop_second_cluster
from sandbox.seed import seed
from sandbox.servers import read_ports, start_servers, stop_servers
from sandbox.step_progress import StepProgress

# When make began, which brings the environment up to date before this process starts: in seconds, as time.time().
STARTED = "MAKE_STARTED"


def start(sandbox: Sandbox, progress: StepProgress) -> dict[str, str]:
    """Start everything but the stack, and return the environment variables that point at it."""
    prepare_parts(sandbox, progress)
    ports = start_servers(sandbox, progress)
    with progress.step("seed", "what AWS's page takes for granted exists"):
        seed(sandbox, ports["aws-api"])
    write_environment_file(sandbox, ports["aws-api"])
    variables = environment(sandbox, ports["aws-api"])
    prepare_engine(sandbox, variables, progress)
    with progress.step("stack", "selected", quiet_below=1.0):
        select_stack(sandbox, variables, progress)
    return variables


def up(sandbox: Sandbox, progress: StepProgress) -> None:
    variables = start(sandbox, progress)
    with progress.step("irsa check --live", "AWS and Kubernetes will accept it"):
        irsa_in_terminal(sandbox, variables, "check", "--live", f"Pulumi.{STACK}.yaml")
    # Changes by hand, and losses of the sandbox's cloud, are repaired. A refresh prints a line for each resource,
    # as if the resource changed, so only its errors are shown.
    with progress.step("pulumi refresh", "the state has what AWS and Kubernetes have"):
        answer = pulumi(sandbox, variables, "refresh", "--yes", "--skip-preview", "--run-program")
        if answer.returncode:
            raise SandboxError(f"pulumi refresh failed:\n{answer.stdout}{answer.stderr}")
    with progress.step("pulumi up", "done"):
        pulumi_in_terminal(sandbox, variables, "up", "--yes", "--skip-preview", "--suppress-outputs")
    confirm(sandbox, variables, progress)
    progress.say(f"Time: {progress.summary()}")
    progress.say("Try it: . .sandbox/env; kubectl get sa my-service-account -o yaml")


def confirm(sandbox: Sandbox, variables: Mapping[str, str], progress: StepProgress) -> None:
    """Check that everything is as declared, and that those whom a role trusts can assume it, and others cannot."""
    proven = "who is trusted can assume the roles; the sandbox does not enforce what a role may then do"
    for subcommand, doing in (("verify", "AWS and Kubernetes have what is declared"), ("prove", proven)):
        with progress.step(f"irsa {subcommand}", doing):
            irsa_in_terminal(sandbox, variables, subcommand, "--stack", STACK)


def down(sandbox: Sandbox, progress: StepProgress) -> None:
    stop_second_cluster(sandbox, progress)
    stop_servers(sandbox, progress)


def preview(sandbox: Sandbox, progress: StepProgress) -> None:
    pulumi_in_terminal(sandbox, start(sandbox, progress), "preview")


def second(sandbox: Sandbox, progress: StepProgress) -> None:
    """Start the second cluster and leave it running."""
    start(sandbox, progress)
    with progress.step("second cluster", "started"):
        start_second_cluster(sandbox, progress)
        seed_clusters(sandbox, read_ports(sandbox)["aws-api"])
    green = second_cluster(sandbox).kubeconfig.relative_to(CHECKOUT)
    progress.say(f"Try it: . .sandbox/env; kubectl --kubeconfig {green} get serviceaccounts -A")


def destroy(sandbox: Sandbox, progress: StepProgress) -> None:
    pulumi_in_terminal(sandbox, start(sandbox, progress), "destroy", "--yes", "--skip-preview", "--refresh")


def programs(sandbox: Sandbox, progress: StepProgress) -> None:
    """Build or link every program, as the tests need them, and start none."""
    prepare_parts(sandbox, progress)


def clean_cache(_sandbox: Sandbox, progress: StepProgress) -> None:
    folder = cache_folder(os.environ)
    shutil.rmtree(folder, ignore_errors=True)
    progress.say(f"  removed the built programs of all clones: {folder}")


COMMANDS: dict[str, Callable[[Sandbox, StepProgress], None]] = {
    "up": up,
    "down": down,
    "preview": preview,
    "destroy": destroy,
    "second-cluster": second,
    "programs": programs,
    "clean-cache": clean_cache,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The local cloud of the dev stack.")
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(arguments).command
    sandbox, progress = checkout_sandbox(), StepProgress()
    if STARTED in os.environ:
        progress.times["environment"] = max(0.0, time.time() - float(os.environ[STARTED]))

    def run() -> int:
        sandbox.prepare()
        with held(sandbox.folder / "lock", "  another command is running in this checkout, waiting for it", progress):
            COMMANDS[command](sandbox, progress)
        return 0

    return in_terminal(run, sandbox.folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
