"""The proof of a binding in one way: whose tokens are tried, and what AWS answers to them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from irsa.rules import commands
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import named
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.prove.answers import AUDIENCE, OTHER, Meaning, explained, meaning_of
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, Object, claims
from irsa_world.live.once import Once
from irsa_world.live.sts import AssumedRoleUser, Refused
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack

ASSUMES, IS_REFUSED = "assumes", "is refused"
WRONG_AUDIENCE = "irsa-prove.invalid"


@dataclass(frozen=True)
class Prover:
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

    @property
    def unproven(self) -> Outcome:
        """The outcome of what has no proof; only whoever allows it takes it for good."""
        return Outcome.UNPROVEN if self.allow_unproven else Outcome.CANNOT_TELL


class Claim(NamedTuple):
    """Somebody whose token is tried.

    Attributes:
        about: What the proof is about.
        pod: The Pod of the service account that the token is bound to; None for none.
        doubt: Why a refusal of it may be one of this place alone; empty where it is not.
    """

    cluster: ClusterClient
    service_account: DeclaredServiceAccount
    about: str
    pod: Object | None = None
    doubt: str = ""


@dataclass(frozen=True)
class Proof(ABC):
    """Proves one binding of a stack in one way.

    Attributes:
        audience: The audience of the tokens that are admitted.
        role_arn: ARN of the role that they get.
        answers: What the answers to a token mean.
        new: The codes by which AWS refuses what it does not know everywhere yet.
        nobody: What the negative check tries.
        unproven: Why there is no negative check where nobody was admitted.
        by: What is added to the name of a service account.
    """

    prover: Prover
    binding: DeclaredBinding
    audience: str
    role_arn: str
    answers: ClassVar[Sequence[Meaning]]
    new: ClassVar[Sequence[str]]
    nobody: ClassVar[str]
    unproven: ClassVar[str]
    by: ClassVar[str] = ""

    @abstractmethod
    def _claims(self) -> Iterator[Claim | Check]: ...  # those who are to be admitted; a check where there is no token
    @abstractmethod
    def _session(self, token: str) -> AssumedRoleUser: ...
    @abstractmethod
    def _other(self, proven: Claim, issuer: str) -> Claim | str: ...  # who is to be refused, or why there is nobody
    @abstractmethod
    def _admitted(self, claim: Claim, session: AssumedRoleUser) -> Check: ...  # who was to be refused
    @abstractmethod
    def _names(self, claim: Claim, issuer: str) -> Mapping[str, str]: ...

    def checks(self) -> list[Check]:
        """Return the proofs of the binding; if it fails, other bindings go on."""
        return ask(self._check(ASSUMES, Outcome.OK, f"binding {named(self.binding.key)}"), self._checks)

    def _checks(self, _: Check) -> Iterator[Check]:
        # Each cluster has its own statement in the trust policy, and so its own negative check.
        proven: dict[ClusterClient, tuple[Claim, str]] = {}
        for each in self._claims():
            if isinstance(each, Check):
                yield each
                continue
            check, issuer = self._proved(each)
            yield check
            if check.outcome is Outcome.OK:
                proven.setdefault(each.cluster, (each, issuer))
        for claim, issuer in proven.values():
            yield from self._negative(claim, issuer)
        if not proven:
            yield self._check(IS_REFUSED, Outcome.NOT_CHECKED, self.nobody, self.unproven)

    def _check(self, kind: str, outcome: Outcome, about: str, *texts: str) -> Check:
        """Return a check of the binding."""
        return Check(self.binding.key, kind, outcome, about, *texts)

    def _answer(
        self, claim: Claim, audience: str, pauses: Sequence[float] = ()
    ) -> tuple[str, AssumedRoleUser | Refused]:
        """Return the issuer of a token, and what AWS answers to it."""
        own = claim.service_account
        token = claim.cluster.token(own.namespace, own.name, audience, claim.pod)
        if token is None:
            raise CouldNotLookError("it was deleted meanwhile")
        issuer, waits = str(claims(token)["iss"]), iter(pauses)
        while True:
            try:
                return issuer, self._session(token)
            except Refused as refused:
                pause = next(waits, None)
                if pause is None or refused.code not in self.new:
                    return issuer, refused
            time.sleep(pause)

    def _proved(self, claim: Claim) -> tuple[Check, str]:
        """Return the proof that somebody gets the declared session, and the issuer of the token."""
        try:
            issuer, answer = self._answer(claim, self.audience, PAUSES if is_fresh(self.binding) else ())
        except CouldNotLookError as error:
            return self._check(ASSUMES, Outcome.OK, claim.about).unanswered(error), ""
        if isinstance(answer, Refused):
            return self._refused(claim, issuer, answer), issuer
        if wrong := self._wrong(answer):
            return self._check(ASSUMES, Outcome.FINDING, claim.about, *wrong), issuer
        return self._check(ASSUMES, Outcome.OK, claim.about, named(answer.arn)), issuer

    def _wrong(self, session: AssumedRoleUser) -> tuple[str, ...]:
        """Return what is found and expected, and the fix if there is one, where a session is not the declared one."""
        return () if session.arn.startswith(self.session) else (named(session.arn), named(self.session))

    def _refused(self, claim: Claim, issuer: str, refused: Refused) -> Check:
        """Return the check of somebody who was to be admitted, and was refused."""
        meaning = explained(self.answers, refused, self._names(claim, issuer))
        expected = f"the token assumes {named(self.role_arn)}"
        return self._check(ASSUMES, meaning.outcome, claim.about, meaning.text, expected, meaning.fix)

    def _negative(self, proven: Claim, issuer: str) -> list[Check]:
        """Return the check of somebody else; without one, say why, and check a wrong audience."""
        try:
            other = self._other(proven, issuer)
        except CouldNotLookError as error:
            other = str(error)
        if not isinstance(other, str):
            check = self._is_refused(other, self.audience, OTHER)
            # The right to make tokens is given per namespace.
            if check.outcome not in (Outcome.NO_PERMISSION, Outcome.NOT_CHECKED):
                return [check]
            other = check.found
        about = f"{proven.service_account.place}{self.by} with the audience {WRONG_AUDIENCE}"
        return [
            self._check(IS_REFUSED, Outcome.NOT_CHECKED, self.nobody, other),
            self._is_refused(proven._replace(about=about), WRONG_AUDIENCE, AUDIENCE),
        ]

    def _is_refused(self, claim: Claim, audience: str, proves: str) -> Check:
        """Return the check that AWS refuses a token, which is the proof of this."""
        try:
            _, answer = self._answer(claim, audience)
        except CouldNotLookError as error:
            return self._check(IS_REFUSED, Outcome.OK, claim.about).unanswered(error)
        if not isinstance(answer, Refused):
            return self._admitted(claim, answer)
        if proves not in meaning_of(self.answers, answer).proves:
            return self._check(IS_REFUSED, Outcome.NO_ANSWER, claim.about, str(answer))
        if claim.doubt:
            return self._check(IS_REFUSED, Outcome.CANNOT_TELL, claim.about, f"{answer}: {claim.doubt}")
        return self._check(IS_REFUSED, Outcome.OK, claim.about, str(answer))

    def _common_names(self, claim: Claim, issuer: str, role_arn: str) -> Mapping[str, str]:
        """Return the names in the texts of answers that both ways have."""
        return {
            "explain": commands.explain(str(claim.service_account), role_arn, self.prover.declared.stack, issuer),
            "issuer": issuer,
            # `pulumi up` does not repair a role that the stack does not create.
            "repair": self.repair if self.binding.role else "",
            "role": role_arn,
        }

    @property
    def session(self) -> str:
        """How the ARN of the declared session begins."""
        arn = parse_iam_arn(self.role_arn, "role")
        return f"arn:{arn.partition}:sts::{arn.account_id}:assumed-role/{arn.name}/"

    @property
    def repair(self) -> str:
        """The command that restores what the stack declares."""
        return commands.up(self.prover.declared.stack)


def without_proof(binding: DeclaredBinding, outcome: Outcome, reason: str) -> Check:
    """Return the check of a binding for which nobody is asked."""
    return Check(binding.key, ASSUMES, outcome, f"binding {named(binding.key)}", reason)
