"""What `irsa prove` does."""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.progress import check_all
from irsa_cli.prove.pod_identity import PodIdentityProof
from irsa_cli.prove.proof import ASSUMES, Proof, Prover
from irsa_cli.prove.web_identity import WebIdentityProof
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.live.once import Once
from irsa_world.live.service import CONCURRENT
from irsa_world.live.sts import AUDIENCE_FOR_PODS
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.report.publish import WITHOUT_PODS, publish
from irsa_world.state.declared import NO_ASSOCIATIONS, DeclaredBinding
from irsa_world.state.pulumi import read_stack

HEADINGS = ("binding", "proof", "service account", "outcome")
NEITHER = "the stack declares no service account that assumes the role, so there is no proof"

OR_ALLOW = "; `irsa prove --allow-unproven` lets it pass"


def run(options: argparse.Namespace) -> int:
    """Prove the chosen bindings, print the report and return the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings, clusters = declared.chosen(options.bindings), ClusterClients(declared.clusters)
    prover = Prover(declared, AwsAccountClients(declared.aws), clusters, Once())
    # The negative checks of IRSA need all service accounts of a cluster.
    everything = any(IRSA in binding.identity.trusted for binding in bindings)
    clusters.read_service_accounts((each for binding in bindings for each in binding.service_accounts), everything)
    checks = check_all(
        "prove", bindings, lambda binding: checks_of(prover, binding, options.allow_unproven), CONCURRENT
    )
    rows = [(named(check.binding), check.check, check.about, check.outcome) for check in checks]
    notes = [WITHOUT_PODS.format(commands.verify_pods(declared.stack))]
    return publish(Report("prove", declared.stack, checks, notes), HEADINGS, rows, options)


def checks_of(prover: Prover, binding: DeclaredBinding, allow_unproven: bool) -> list[Check]:
    """Return the proofs of a binding, in each of its ways.

    Args:
        prover: Who is asked.
        binding: The binding.
        allow_unproven: Whether a trusted subject may have no service account yet, and a service account no Pod.
    """
    asked = Check(binding.key, ASSUMES, Outcome.UNPROVEN, f"binding {named(binding.key)}")
    if binding.unreadable:
        return [asked.bad(Unknown(binding.unreadable))]
    checks = [check for proof in _proofs(prover, binding) for check in proof.checks()]
    if POD_IDENTITY in binding.identity.used and not binding.associations:
        checks.append(asked.bad(Unknown(NO_ASSOCIATIONS)))
    if all(check.check != ASSUMES for check in checks):
        checks.append(replace(asked, found=NEITHER))
    # Only whoever allows it takes what has no proof for good.
    if allow_unproven:
        return checks
    return [
        replace(each, outcome=Outcome.CANNOT_TELL, found=f"{each.found}{OR_ALLOW}")
        if each.outcome is Outcome.UNPROVEN
        else each
        for each in checks
    ]


def _proofs(prover: Prover, binding: DeclaredBinding) -> Iterator[Proof]:
    # The statement of IRSA admits tokens without the annotation, too; EKS asks for no role without an association.
    if IRSA in binding.identity.trusted:
        yield WebIdentityProof(prover, binding, binding.audience, binding.role_arn)
    if POD_IDENTITY in binding.identity.used:
        for each in binding.associations:
            role_arn = each.target_role_arn or each.role_arn
            yield PodIdentityProof(prover, binding, AUDIENCE_FOR_PODS, role_arn, each)
