"""What `irsa adopt` does."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named, visible
from irsa_cli.adopt.bindings import adopt
from irsa_cli.adopt.choice import Choice
from irsa_cli.adopt.declared import ONLY_CLUSTER, Declared
from irsa_cli.adopt.items import Outcome
from irsa_cli.adopt.report import lines, written
from irsa_cli.adopt.stack_file import StackFile
from irsa_cli.adopt.stacks import in_stacks
from irsa_cli.adopt.task import Ways
from irsa_cli.discovery import Discovery, discover, inputs_of
from irsa_cli.options import NEW_STACK_FILE, STREAM
from irsa_cli.whole_file import write
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_world.live.aws import AwsAccountClients, Inputs, created_eks_cluster
from irsa_world.live.iam import AwsAccountClient
from irsa_world.report.publish import print_lines
from irsa_world.sessions import Sessions
from irsa_world.state.pulumi import stack_outputs

DRY_RUN = f"dry run: nothing is written; --output {NEW_STACK_FILE} writes the stack file"


def run(options: argparse.Namespace) -> int:
    """Write or print the stack file; print the report, and return the exit code.

    Raises:
        CouldNotLookError: Nothing is chosen, the stack file cannot be used, or something cannot be read.
    """
    choice = _choice(options)
    dry_run = options.output == Path(STREAM)
    file = StackFile(NEW_STACK_FILE if dry_run else options.output)
    credentials = inputs_of(options)
    discovery = discover(options.context, options.cluster, options.stack, credentials, policies=options.policies)
    states = in_stacks(file.path.parent)
    live = _current_account(discovery, credentials[0])
    region = live.session.region_name or ""
    ways = Ways(options.policies, options.take_from, region, live.policy_settings)
    sessions = Sessions(discovery)
    not_checked = [*states.not_checked, *discovery.not_checked, *sessions.unreadable]
    adoption = adopt(sessions, choice, ways, _declared(file, live, states.stacks), live.number)
    if not adoption.items:
        raise CouldNotLookError("nothing that was found is chosen: see `irsa inventory` for what there is")
    if dry_run:
        print_lines([(DRY_RUN, "bold"), *written(adoption, file.path, dry_run=True)], sys.stderr)
    if adoption.bindings:
        text = file.with_additions(region, live.number, adoption.additions)
        if dry_run:
            # The same document: what is escaped is within double quotes, where YAML has these escapes too.
            print_lines((visible(line), "") for line in text.splitlines())
        else:
            write(file.path, text)
    report = lines(adoption, file.path, file.stack, not_checked, dry_run=dry_run)
    print_lines(report, sys.stderr if dry_run else sys.stdout)
    if any(each.outcome is Outcome.SKIPPED for each in adoption.items):
        return FINDINGS
    return COULD_NOT_LOOK if not_checked else GOOD


def _choice(options: argparse.Namespace) -> Choice:
    choice = Choice(options.namespace, options.service_account, options.role, options.tag)
    if options.all == (choice != Choice([], [], [], [])):
        raise CouldNotLookError("choose by --namespace, --service-account, --role and --tag, or everything by --all")
    return choice


def _current_account(discovery: Discovery, credentials: Inputs) -> AwsAccountClient:
    """Return the AWS account of the first credentials, which is that of a stack's default provider."""
    live = AwsAccountClients({"": credentials}).only()
    if live.number not in {each.number for each in discovery.aws_accounts}:
        known = listed([each.number for each in discovery.aws_accounts])
        whose = "the first --profile is" if credentials.get("profile") else "the current AWS credentials are"
        raise CouldNotLookError(
            f"{whose} of AWS account {live.number}, and what was read is of {known}: "
            "use credentials of the AWS account in which the stack is deployed"
        )
    return live


def _declared(file: StackFile, live: AwsAccountClient, stacks: Mapping[str, str]) -> Declared:
    """Return what the stack file and the states declare; the issuer of a cluster that it only names is looked up."""
    clusters = {str(key): each for key, each in mapping_of(file.settings.get("clusters")).items()}
    if "cluster" in file.settings:
        clusters = {ONLY_CLUSTER: file.settings["cluster"]}
    issuers = {key: _issuer(key, mapping_of(cluster), file, live) for key, cluster in clusters.items()}
    deployed = frozenset(identity for identity, stack in stacks.items() if _is_own(stack, file))
    others = {identity: stack for identity, stack in stacks.items() if identity not in deployed}
    return Declared(file.settings, issuers, deployed, others)


def _is_own(stack: str, file: StackFile) -> bool:
    """Return whether a stack of the backend is that of the file."""
    # `pulumi` leaves the project out of the names of this one's stacks, and the default organization.
    return stack.rpartition("/")[2] == file.stack and stack.count("/") <= 1


def _issuer(key: str, cluster: Mapping[str, Any], file: StackFile, live: AwsAccountClient) -> str:
    where = f"cluster {named(key)} of {named(str(file.path))}"
    if isinstance(cluster.get("oidcIssuer"), str):
        return str(cluster["oidcIssuer"])
    if isinstance(cluster.get("stack"), str):
        issuer = stack_outputs(cluster["stack"], file.path.parent).get("oidcIssuer")
        if not isinstance(issuer, str):
            raise CouldNotLookError(
                f"{where}: stack {named(cluster['stack'])} has no output oidcIssuer that is a string"
            )
        return issuer
    if "account" in cluster or not isinstance(cluster.get("name"), str):
        raise CouldNotLookError(f"{where}: its issuer is not known here: add oidcIssuer and oidcProviderArn to it")
    region = str(cluster.get("region") or file.region or live.session.region_name or "")
    try:
        return created_eks_cluster(live.session, cluster["name"], region).issuer or ""
    except CouldNotLookError as error:
        raise CouldNotLookError(f"{where}: EKS cluster {named(cluster['name'])}: {error}") from error
