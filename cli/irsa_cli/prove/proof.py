"""What the proofs of a binding by STS and by EKS have in common."""

from dataclasses import dataclass

from irsa.rules import commands
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import named
from irsa_cli.report.checks import Check, Outcome
from irsa_world.exits import unexpected
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.live.once import Once
from irsa_world.state.declared import DeclaredBinding, DeclaredStack

ASSUMES, IS_REFUSED = "assumes", "is refused"
WRONG_AUDIENCE = "irsa-prove.invalid"


@dataclass(frozen=True)
class Asked:
    """Who is asked about the bindings of a stack.

    Attributes:
        services: STS and EKS Auth, by what tells their clients apart; the proofs of a stack share them.
        allow_unproven: Whether a trusted subject may have no service account yet, and a service account no Pod.
    """

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    services: Once
    allow_unproven: bool = False


@dataclass(frozen=True)
class Proof:
    """Proves one binding of a stack in one way."""

    asked: Asked
    binding: DeclaredBinding

    def checks(self) -> list[Check]:
        """Return the proofs of the binding; if it fails, other bindings go on."""
        try:
            return self.proven_checks()
        except Exception as error:
            return [without_proof(self.binding, Outcome.CANNOT_TELL, unexpected(error))]

    def proven_checks(self) -> list[Check]:
        """Return the proofs of the binding."""
        raise NotImplementedError

    @property
    def repair(self) -> str:
        """The command that restores what the stack declares."""
        return commands.up(self.asked.declared.stack)


def without_proof(binding: DeclaredBinding, outcome: Outcome, reason: str) -> Check:
    """Return the check of a binding for which nobody is asked."""
    return Check(binding.key, ASSUMES, outcome, f"binding {named(binding.key)}", reason)


def session_of_role(role_arn: str) -> str:
    """Return how the ARN of a session of a role begins."""
    arn = parse_iam_arn(role_arn, "role")
    return f"arn:{arn.partition}:sts::{arn.account_id}:assumed-role/{arn.name}/"
