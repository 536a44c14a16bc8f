"""Two versions of a stack file, for `irsa diff OLD NEW`: two files, or one file in two revisions of git.

Neither AWS nor Kubernetes nor the backend is asked: where they would answer, samples stand.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.models import Stack
from config.project_file import stack_folder
from irsa.rules.arns import issuer_host_path, oidc_provider_arn
from irsa.rules.mistakes import listed, named
from irsa.rules.unknown import Sample, sampled
from irsa_cli.diff.versions import Version, Versions
from irsa_cli.exits import CouldNotLookError
from irsa_cli.report.message import in_a_pipe
from program.check import examined, stack_name
from program.check_report import FileReport, messages
from program.lookups.values import AwsIdentity, Lookups, ResolvedAwsAccount
from program.plan import plan
from program.versions.resources import planned_resources
from program.versions.revisions import commits, written_files

# Samples that nobody writes, so that what is shown in their place is true wherever they are found: no AWS account has
# this number, no region this name, and nobody outside of this partition writes its name.
ACCOUNT, PARTITION, REGION = "000000000000", "aws-iso-f", "zz-none-0"
SHOWN = {ACCOUNT: "${account}", PARTITION: "${partition}", REGION: "${region}"}


def versions(old: str, new: str | None, stack: str | None) -> list[Versions]:
    """Return both versions of each stack file that is meant.

    Args:
        old: A stack file or a revision; `A..B` stands for two revisions, `A...B` for B and where it left A.
        new: The other one; None for the files of the working directory, beside a revision.
        stack: Name of the stack; None for all stacks of the revisions.

    Raises:
        CouldNotLookError: There is no such file or revision, or a stack file has no such name.
    """
    if Path(old).is_file() and new is not None and Path(new).is_file():
        paths = Path(old), Path(new)
        names = [stack_name(each) for each in paths if stack_name(each)]
        return [_versions(names[-1] if names else "file", *paths)]
    with tempfile.TemporaryDirectory(prefix="irsa-diff-") as folder:
        sides = [written_files(each, Path(folder) / str(index)) for index, each in enumerate(commits(old, new))]
        files = [{stack_name(each): each for each in _stack_files(side)} for side in sides]
        names = sorted({*files[0], *files[1]})
        if stack is not None and stack not in names:
            raise CouldNotLookError(f"neither revision has Pulumi.{named(stack)}.yaml; stack files of {listed(names)}")
        return [_versions(each, files[0].get(each), files[1].get(each)) for each in ([stack] if stack else names)]


class _Read(NamedTuple):
    """A stack file that can be compared."""

    stack: Stack
    lookups: Lookups
    not_known: Sequence[str]


def _versions(name: str, before: Path | None, after: Path | None) -> Versions:
    """Return what two versions of the stack file of a stack declare; None where there is no file.

    What one of them says of AWS and Kubernetes, such as a cluster's issuer, the other one need not say.

    Raises:
        OSError: A file cannot be read.
    """
    read = [_read(path) if path else [] for path in (before, after)]
    known = [_known(each) if isinstance(each, _Read) else {} for each in read]
    shown = dict(SHOWN)
    issuers: dict[str, None] = {}
    found = []
    for each, own, other in zip(read, known, reversed(known), strict=True):
        if isinstance(each, _Read):
            lookups = _answered(each, {**other, **own}, shown)
            issuers |= dict.fromkeys(issuer_host_path(cluster.issuer) for cluster in lookups.clusters.values())
            found.append(_version(name, each, lookups))
        else:
            found.append(Version(errors=each))
    return Versions(name, found[0], found[1], shown, [*issuers])


def _read(path: Path) -> "_Read | list[str]":
    """Return a stack file, or why it cannot be compared, as `irsa check` says it."""
    found = examined(path)
    errors = [each for each in found.mistakes if each.rule == "error"]
    if errors or not found.examination or not found.examination.lookups:
        report = FileReport(found.file.name, 0, errors)
        return [line for message, _ in messages(report) for line in in_a_pipe(message)]
    not_known = [f"{each}: what it is in is not compared" for each in found.examination.not_checked]
    if found.file.imports_environments:
        not_known.append("`environment:`: the values that Pulumi ESC adds")
    return _Read(found.examination.settings.stack, found.examination.lookups, not_known)


def _stack_files(folder: Path) -> list[Path]:
    return [*(folder / stack_folder(folder)).glob("Pulumi.?*.yaml")]


Fact = tuple[str, str | None]


def _known(read: _Read) -> dict[Fact, str]:
    """Return what a file says of AWS and Kubernetes: the region, AWS accounts by their keys, issuers of clusters."""
    found: dict[Fact, str] = {("region", None): read.lookups.region or REGION}
    for key, each in read.lookups.aws_accounts.items():
        if each.identity:
            found |= {("account", key): each.identity.account_id, ("partition", key): each.identity.partition}
    found |= {("issuer", _identity(read, key)): each.issuer for key, each in read.lookups.clusters.items()}
    return {fact: text for fact, text in found.items() if not sampled(text)}


def _identity(read: _Read, cluster: str) -> str:
    """Return what tells a cluster from others, whatever its key."""
    settings = read.stack.clusters_by_key[cluster]
    of_eks = settings.name and f"{settings.name} {settings.region or read.lookups.region} {settings.aws_account or ''}"
    return settings.stack or of_eks or cluster


def _answered(read: _Read, known: Mapping[Fact, str], shown: dict[str, str]) -> Lookups:
    """Return the look-ups, answered by what is known, else by samples, for which is added what is shown."""

    def of(kind: str, key: str | None, sample: str) -> str:
        return known.get((kind, key)) or Sample(sample, [kind])

    lookups, aws_accounts, issuers = read.lookups, {}, {}
    for key in lookups.aws_accounts:
        number = ACCOUNT if key is None else f"00{int(_digest(key), 16) % 10**10:010}"
        shown[number] = SHOWN[ACCOUNT] if key is None else f"${{account of {key}}}"
        aws_accounts[key] = AwsIdentity(of("account", key, number), of("partition", key, PARTITION))
    for key in lookups.clusters:
        identity = _identity(read, key)
        host = f"oidc.eks.{REGION}.amazonaws.com/id/{_digest(identity)[:32].upper()}"
        shown[host] = "${issuer}" if read.stack.cluster else f"${{issuer of {key}}}"
        issuers[key] = of("issuer", identity, f"https://{host}")

    def provider(cluster: str, aws_account: str | None, own: object) -> str:
        if not isinstance(own, Sample):
            return str(own)
        identity, issuer = aws_accounts[aws_account], issuers[cluster]
        arn = oidc_provider_arn(identity.partition, identity.account_id, issuer)
        samples = sampled(identity.partition) | sampled(identity.account_id) | sampled(issuer) | (own.of & {"output"})
        return Sample(arn, samples) if samples else arn

    return Lookups(
        of("region", None, REGION),
        {key: ResolvedAwsAccount(each, None) for key, each in aws_accounts.items()},
        {key: each._replace(issuer=issuers[key]) for key, each in lookups.clusters.items()},
        {pair: provider(*pair, each) for pair, each in lookups.oidc_providers.items()},
        lookups.account_ids,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _version(name: str, read: _Read, lookups: Lookups) -> Version:
    planned = plan(read.stack, lookups)
    if planned.mistakes:
        return Version(errors=[str(each) for each in planned.mistakes])
    found = planned_resources(name, read.stack, planned, lookups)
    return Version(
        [each for each, _ in found],
        frozenset(each.urn for each, is_imported in found if is_imported),
        [f"{named(component.name)}: {each}" for component, spec in planned.components for each in spec.warnings],
        read.not_known,
    )
