"""Write a stack file that takes over roles and service accounts as they are."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named, visible
from irsa_cli.adopt.bindings import adopt
from irsa_cli.adopt.choice import Choice, Ways
from irsa_cli.adopt.declared import ONLY_CLUSTER, Declared
from irsa_cli.adopt.outcomes import Outcome
from irsa_cli.adopt.owners import TOOLS
from irsa_cli.adopt.report import lines, written
from irsa_cli.adopt.stack_file import StackFile
from irsa_cli.adopt.stacks import in_stacks
from irsa_cli.discovery import add_discovery_options, discover, inputs_of
from irsa_cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_cli.live.aws import AwsAccountClients, Inputs, created_eks_cluster
from irsa_cli.live.iam import AwsAccountClient
from irsa_cli.live.model import Discovery
from irsa_cli.options import stack_file
from irsa_cli.report.publish import print_lines
from irsa_cli.state.pulumi import stack_outputs
from irsa_cli.whole_file import write

DESCRIPTION = """\
Write a stack file for the roles and service accounts of a cluster, so that
`pulumi up` imports them, and the same service accounts have the same roles.
What irsa would write of a trust policy becomes keys, and every other statement
stays word for word; the report names each trust policy that is rewritten.

It only reads AWS, Kubernetes and the states of your Pulumi backend. Without
--output it is a dry run: it prints a new stack file to standard output and the
report to standard error, and writes nothing. With --output, a stack file that
exists is added to.
"""
EPILOG = """\
examples:
  irsa adopt --namespace team-a
  irsa adopt --namespace team-a --output Pulumi.prod.yaml
  irsa adopt --namespace team-a --take-from eksctl --output Pulumi.prod.yaml

exit codes: 0 everything that was chosen is in the file, 1 something is skipped,
2 not checked (no permission, no answer), or nothing is chosen"""
STANDARD_OUTPUT = Path("-")
# The file that a dry run prints: nobody has named its stack yet.
NEW = Path("Pulumi.STACK.yaml")
DRY_RUN = f"dry run: nothing is written; --output {NEW} writes the stack file"
OUTPUT_HELP = f"the stack file, {NEW}, which need not exist (default: -, a dry run)"
DEAD_HELP = """adopt roles that trust OIDC providers of clusters that are gone, or that nobody read, as they are; the
report names what may go after the import"""
FROM_HELP = f"also adopt what this tool manages: {', '.join(TOOLS)} (repeatable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_discovery_options(parser)
    choice = parser.add_argument_group("what is adopted", "options of one kind add up; different kinds must all hold")
    repeated: dict[str, Any] = {"action": "append", "default": []}
    choice.add_argument("--namespace", metavar="N", **repeated, help="service accounts of a namespace, and their roles")
    choice.add_argument("--service-account", metavar="NS/NAME", type=_service_account, **repeated, help="one of these")
    choice.add_argument("--role", metavar="NAME", **repeated, help="name or ARN of a role; * and ? stand for any text")
    choice.add_argument("--tag", metavar="KEY=VALUE", type=_tag, **repeated, help="roles with a tag")
    choice.add_argument("--all", action="store_true", help="everything")
    parser.add_argument("--output", metavar="FILE", type=stack_file, default=STANDARD_OUTPUT, help=OUTPUT_HELP)
    parser.add_argument("--policies", action="store_true", help="take over policies too, with their documents")
    parser.add_argument("--take-from", metavar="TOOL", choices=TOOLS, **repeated, help=FROM_HELP)
    parser.add_argument("--drop-dead-issuers", action="store_true", help=DEAD_HELP)
    parser.set_defaults(run=run)


def _service_account(text: str) -> str:
    if text.count("/") == 1 and all(text.split("/")):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if key and equals:
        return key, value
    raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")


def run(options: argparse.Namespace) -> int:
    """Write or print the stack file; print the report, and return the exit code.

    Raises:
        CouldNotLookError: Nothing is chosen, the stack file cannot be used, or something cannot be read.
    """
    choice = _choice(options)
    dry_run = options.output == STANDARD_OUTPUT
    file = StackFile(NEW if dry_run else options.output)
    credentials = inputs_of(options)
    discovery = discover(options.context, options.cluster, options.stack, credentials, policies=options.policies)
    states = in_stacks(file.path.parent)
    discovery = replace(discovery, not_checked=(*states.not_checked, *discovery.not_checked))
    live = _current_account(discovery, credentials[0])
    ways = Ways(
        policies=options.policies,
        take_from=frozenset(options.take_from),
        drop_dead_issuers=options.drop_dead_issuers,
        region=live.session.region_name or "",
        aws_account=live.number,
        policy_settings=live.policy_settings,
    )
    adoption = adopt(discovery, choice, ways, _declared(file, live, states.stacks))
    if not adoption.items:
        raise CouldNotLookError("nothing that was found is chosen: see `irsa inventory` for what there is")
    clusters = {"clusters": adoption.clusters} if adoption.several else adoption.clusters
    additions = {**clusters, "variables": adoption.variables, "bindings": adoption.bindings}
    if dry_run:
        print_lines([(DRY_RUN, "bold"), *written(adoption, file.path, dry_run=True)], sys.stderr)
    if adoption.bindings:
        text = file.with_additions(ways.region, ways.aws_account, additions)
        if dry_run:
            # The same document: what is escaped is within double quotes, where YAML has these escapes too.
            print_lines((visible(line), "") for line in text.splitlines())
        else:
            write(file.path, text)
    report = lines(adoption, file.path, file.stack, discovery.not_checked, dry_run=dry_run)
    print_lines(report, sys.stderr if dry_run else sys.stdout)
    if any(each.outcome is Outcome.SKIPPED for each in adoption.items):
        return FINDINGS
    return COULD_NOT_LOOK if discovery.not_checked else GOOD


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
