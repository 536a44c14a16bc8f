"""What `irsa adopt` does, and what it prints: what it adopts, annotates, skips and why, and what to do next."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from irsa.rules import commands
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named, visible
from irsa_cli.adopt.bindings import adopt
from irsa_cli.adopt.items import Adoption, Choice, Fate
from irsa_cli.adopt.stack_file import AdoptedFile
from irsa_cli.adopt.task import ONLY_CLUSTER, Declared, Ways
from irsa_cli.discovery import Discovery, discover, inputs_of
from irsa_cli.options import NEW_STACK_FILE, STREAM
from irsa_cli.progress import under_way
from irsa_cli.whole_file import write
from irsa_config.project_file import project_folder, project_settings
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError, UsageError
from irsa_world.live.aws import AwsAccountClients, Inputs, created_eks_cluster
from irsa_world.live.iam import OWN, AwsAccountClient
from irsa_world.message import Message
from irsa_world.report.publish import print_lines
from irsa_world.report.text import Section, arranged, counted
from irsa_world.sessions import Sessions
from irsa_world.state.pulumi import exported_state, stack_outputs, stacks_of_backend
from irsa_world.state.resource import Resource

# Each is a process of `pulumi`, with a whole state in memory.
AT_A_TIME = 4
# The page has the commands, in an order by which no Pod is without permissions at any moment.
LETTING_GO = "{}: before `pulumi up`, tell it to keep what is adopted; after `irsa prove`, remove that from it: {}"
PAGE = "docs/commands/adopt.md#who-manages-it-now"
DRY_RUN = f"dry run: nothing is written; --output {NEW_STACK_FILE} writes the stack file"


def in_stacks(folder: Path) -> tuple[Mapping[str, str], list[str]]:
    """Return what the stacks own that `pulumi`, run in a folder, can read; an answer, whatever cannot be read.

    Returns:
        The name of a stack, by the ARN of what it owns, and in Kubernetes by the uid; and what could not be read, and
        why, each as one sentence.
    """
    where = folder if folder.is_dir() else None
    try:
        listed = stacks_of_backend(where)
    except CouldNotLookError as error:
        return {}, [f"whether a Pulumi stack owns what is chosen: {error}"]
    names = [name for name, has_resources in listed.items() if has_resources]
    stacks: dict[str, str] = {}
    not_checked: list[str] = []

    def read(name: str) -> list[str]:
        try:
            return [*owned(exported_state(name, where))]
        except CouldNotLookError as error:
            not_checked.append(f"whether stack {named(name)} owns what is chosen: {error}")
            return []

    with under_way("adopt", f"reads {len(names)} stacks"), ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, found in zip(names, pool.map(read, names), strict=True):
            stacks |= dict.fromkeys(found, name)
    return stacks, sorted(not_checked)


def owned(state: Iterable[Resource]) -> Iterator[str]:
    """Yield the ARN, or in Kubernetes the uid, of each resource of a state but those that it only reads.

    What the next `pulumi up` deletes is its own until then.
    """
    for each in state:
        # A component has no ID.
        if each.id and not each.external:
            # Of whichever provider: a managed policy of aws-native has its ARN as the ID alone.
            yield from filter(None, (each.text("arn"), each.id, each.text("metadata", "uid")))


def section_of(adoption: Adoption, file: Path, stack: str, not_checked: Sequence[str], *, dry_run: bool) -> Section:
    """Return the report: what is added, what could not be read, what became of what was chosen, and what to do next."""
    count = len(adoption.bindings)
    added = f"{counted(count, 'binding')} added" if count else "unchanged, there is nothing to add"
    messages = [Message(f"not checked: {each}", style="yellow") for each in not_checked]
    for fate in Fate:
        style, heading = fate.value
        items = [each for each in adoption.items if each.fate is fate]
        texts = ["; ".join([(f"{named(each.key)}: " if each.key else "") + each.about, *each.notes]) for each in items]
        parts = [("", text) for text in texts]
        messages += [Message(f"{heading} ({len(items)})", parts, style=style)] if items else []
    steps: list[str] = []
    if adoption.bindings:
        write = [f"this command with --output {named(str(file))}"] if dry_run else []
        init = commands.init(stack)
        unless = [f"{init}   (unless `pulumi stack ls` lists it)"] if init else []
        steps = _next(adoption, file, stack, [*write, *unless])
    summary = DRY_RUN if dry_run and count else f"{named(str(file))}: {added}"
    return Section(summary, "bold", messages, ["next, in this order"], [[step] for step in steps])


def _word(text: str) -> str:
    """Return a text as one word of a shell: who has hundreds pastes these lines into a loop."""
    quoted = shlex.quote(text)
    # Two colons command CI.
    return f"'{quoted}'" if quoted.startswith(":") else quoted


def _next(adoption: Adoption, file: Path, stack: str, first: Sequence[str]) -> list[str]:
    names: dict[str, set[str]] = {}
    for item in adoption.items:
        for owner in item.owners if item.fate not in (Fate.DECLARED, Fate.SKIPPED) else ():
            names.setdefault(owner.tool, set()).add(
                _word(owner.what) if owner.what else " ".join(map(_word, item.about.split(" ")))
            )
    owned = {LETTING_GO.format(named(tool), PAGE): sorted(names[tool]) for tool in sorted(names)}
    steps = [
        *first,
        commands.check(str(file)),
        *owned,
        f"{commands.of_stack('diff', stack)}   (imports, and no change but those named above)",
        commands.up_without_refresh(stack),
        f"irsa adopt --finish {_word(str(file))}   (removes every `import:` and `importIds:`)",
        f"{commands.up_without_refresh(stack)}   (0 changes)",
        commands.of_stack("verify", stack),
        commands.of_stack("prove", stack),
    ]
    if names:
        steps.append(f"remove what is adopted from {', '.join(map(named, sorted(names)))}, as said above")
    found = []
    for number, step in enumerate(filter(None, steps), 1):
        # All of them, one on a line.
        found += [f"  {number}. {step}", *(f"       {name}" for name in owned.get(step, ()))]
    return found


def run(options: argparse.Namespace) -> int:
    """Write or print the stack file; print the report, and return the exit code.

    Raises:
        CouldNotLookError: Nothing is chosen, the stack file cannot be used, or something cannot be read.
    """
    choice = _choice(options)
    dry_run = options.output == Path(STREAM)
    file = AdoptedFile(NEW_STACK_FILE if dry_run else options.output)
    credentials = inputs_of(options)
    discovery = discover(
        options.context, options.cluster, options.stack, credentials, policies=(OWN,) if options.policies else ()
    )
    stacks, not_checked = in_stacks(file.path.parent)
    live = _current_account(discovery, credentials[0])
    region = live.session.region_name or ""
    ways = Ways(options.policies, options.take_from, region, live.policy_settings)
    sessions = Sessions(discovery)
    not_checked = [*not_checked, *discovery.not_checked, *sessions.unreadable]
    adoption = adopt(sessions, choice, ways, _declared(file, live, stacks), live.number)
    if not adoption.items:
        raise CouldNotLookError("nothing that was found is chosen: see `irsa inventory` for what there is")
    if adoption.bindings:
        text = file.with_additions(region, live.number, adoption.additions)
        if dry_run:
            # The same document: what is escaped is within double quotes, where YAML has these escapes too.
            print_lines((visible(line), "") for line in text.splitlines())
        else:
            write(file.path, text)
    report = section_of(adoption, file.path, file.stack, not_checked, dry_run=dry_run)
    print_lines(arranged([report]), sys.stderr if dry_run else sys.stdout)
    if any(each.fate is Fate.SKIPPED for each in adoption.items):
        return FINDINGS
    return COULD_NOT_LOOK if not_checked else GOOD


def _choice(options: argparse.Namespace) -> Choice:
    choice = Choice(options.namespace, options.service_account, options.role, options.tag)
    if options.all == (choice != Choice([], [], [], [])):
        raise UsageError("choose by --namespace, --service-account, --role and --tag, or everything by --all")
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


def _declared(file: AdoptedFile, live: AwsAccountClient, stacks: Mapping[str, str]) -> Declared:
    """Return what the stack file and the states declare; the issuer of a cluster that it only names is looked up."""
    clusters = {str(key): each for key, each in mapping_of(file.settings.get("clusters")).items()}
    if "cluster" in file.settings:
        clusters = {ONLY_CLUSTER: file.settings["cluster"]}
    issuers = {key: _issuer(key, mapping_of(cluster), file, live) for key, cluster in clusters.items()}
    # `pulumi` leaves the project out of the names of this one's stacks, and the default organization.
    own = {each for each in stacks.values() if each.rpartition("/")[2] == file.stack and each.count("/") <= 1}
    deployed = frozenset(identity for identity, stack in stacks.items() if stack in own)
    others = {identity: stack for identity, stack in stacks.items() if identity not in deployed}
    # A stack file without defaults has those of Pulumi.yaml.
    of_project = project_settings(project_folder(file.path)).settings.get("defaults", {})
    return Declared({"defaults": of_project, **file.settings}, issuers, deployed, others)


def _issuer(key: str, cluster: Mapping[str, Any], file: AdoptedFile, live: AwsAccountClient) -> str:
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
        return created_eks_cluster(live.session, cluster["name"], live.place._replace(region=region)).issuer or ""
    except CouldNotLookError as error:
        raise CouldNotLookError(f"{where}: EKS cluster {named(cluster['name'])}: {error}") from error
