"""The proof of a binding in one way: whose tokens are tried, and what AWS answers to them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple

from irsa.rules import commands
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.prove.answers import AUDIENCE, OTHER, Meaning, explained, meaning_of
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, Object, claims
from irsa_world.live.once import Once
from irsa_world.live.sts import AssumedRoleUser, Refused
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from irsa_world.unread import NotCheckedError

ASSUMES, IS_REFUSED = "assumes", "is refused"
WRONG_AUDIENCE = "irsa-prove.invalid"


@dataclass(frozen=True)
class Prover:
    """Who is asked about the bindings of a stack.

    Attributes:
        services: STS and EKS Auth, by what tells their clients apart; the proofs of a stack share them.
    """

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    services: Once

    @cached_property
    def associated(self) -> Mapping[str, Collection[tuple[str, str]]]:
        """Namespace and name of the service accounts with which the stack associates a role, by the cluster's ARN."""
        found: dict[str, set[tuple[str, str]]] = {}
        for each in (one for binding in self.declared.bindings for one in binding.associations):
            found.setdefault(each.cluster_arn, set()).add((each.namespace, each.service_account))
        return found


class Claim(NamedTuple):
    """Somebody whose token is tried.

    Attributes:
        asked: What is asked.
        pod: The Pod of the service account that the token is bound to; None for none.
        doubt: Why a refusal of it may be one of this place alone; empty where it is not.
    """

    cluster: ClusterClient
    service_account: DeclaredServiceAccount
    asked: Check
    pod: Object | None = None
    doubt: str = ""


Asked = tuple[Check, Iterator[Claim | Check]]
"""What is asked, and who is to be admitted; a check where there is no token."""
Proven = dict[ClusterClient, tuple[Claim, str]]
"""Of each cluster, the first who got the declared session, and the issuer of the token."""


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
    def _claims(self) -> Iterator[Asked]: ...
    @abstractmethod
    def _session(self, token: str) -> AssumedRoleUser: ...
    @abstractmethod
    def _other(self, proven: Claim, issuer: str) -> Claim: ...  # who is to be refused; NotCheckedError: there is nobody
    @abstractmethod
    def _admitted(self, claim: Claim, session: AssumedRoleUser) -> Check: ...  # who was to be refused

    def checks(self) -> list[Check]:
        """Return the proofs of the binding; if it fails, other bindings go on."""
        return ask(self._asked(ASSUMES, f"binding {named(self.binding.key)}"), self._checks)

    def _asked(self, kind: str, about: str) -> Check:
        # Only an answer of AWS makes it good.
        return Check(self.binding.key, kind, Outcome.UNPROVEN, about)

    def _checks(self, _: Check) -> Iterator[Check]:
        # Each cluster has its own statement in the trust policy, and so its own negative check.
        proven: Proven = {}
        for asked, several in self._claims():
            yield from ask(asked, partial(self._of_claims, several, proven))
        for claim, issuer in proven.values():
            yield from self._negative(claim, issuer)
        if not proven:
            yield self._asked(IS_REFUSED, self.nobody).unanswered(NotCheckedError(self.unproven))

    def _of_claims(self, several: Iterator[Claim | Check], proven: Proven, _: Check) -> Iterator[Check]:
        for each in several:
            yield from [each] if isinstance(each, Check) else ask(each.asked, partial(self._of_claim, each, proven))

    def _of_claim(self, claim: Claim, proven: Proven, asked: Check) -> Iterator[Check]:
        """Yield the check that somebody gets the declared session, who is then proven."""
        issuer, answer = self._answer(claim, self.audience, PAUSES if is_fresh(self.binding) else ())
        if isinstance(answer, Refused):
            yield self._refused(claim, issuer, answer)
        elif wrong := self._wrong(answer):
            yield asked.bad(*wrong)
        else:
            proven.setdefault(claim.cluster, (claim, issuer))
            yield replace(asked, outcome=Outcome.OK, found=named(answer.arn))

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

    def _wrong(self, session: AssumedRoleUser) -> tuple[str, ...]:
        """Return what is found and expected, and the fix if there is one, where a session is not the declared one."""
        return () if session.arn.startswith(self.session) else (named(session.arn), named(self.session))

    def _refused(self, claim: Claim, issuer: str, refused: Refused) -> Check:
        """Return the check of somebody who was to be admitted, and was refused."""
        meaning = explained(self.answers, refused, self._names(claim, issuer))
        expected = f"the token assumes {named(self.role_arn)}"
        return replace(claim.asked, outcome=meaning.outcome, found=meaning.text, expected=expected, fix=meaning.fix)

    def _negative(self, proven: Claim, issuer: str) -> list[Check]:
        """Return the check of somebody else; without one, say why, and check a wrong audience."""
        asked = self._asked(IS_REFUSED, self.nobody)
        (check,) = ask(asked, lambda _: self._is_refused(self._other(proven, issuer), self.audience, OTHER))
        # The right to make tokens is given per namespace.
        if check.outcome not in (Outcome.NO_PERMISSION, Outcome.NOT_CHECKED):
            return [check]
        about = f"{proven.service_account.place}{self.by} with the audience {WRONG_AUDIENCE}"
        wrong = proven._replace(asked=self._asked(IS_REFUSED, about))
        instead = ask(wrong.asked, lambda _: self._is_refused(wrong, WRONG_AUDIENCE, AUDIENCE))
        return [asked.unanswered(NotCheckedError(check.found)), *instead]

    def _is_refused(self, claim: Claim, audience: str, proves: str) -> Iterator[Check]:
        """Yield the check that AWS refuses a token, which is the proof of this."""
        _, answer = self._answer(claim, audience)
        if not isinstance(answer, Refused):
            yield self._admitted(claim, answer)
        elif proves not in meaning_of(self.answers, answer).proves:
            yield claim.asked.unanswered(CouldNotLookError(str(answer)))
        elif claim.doubt:
            yield claim.asked.bad(Unknown(f"{answer}: {claim.doubt}"))
        else:
            yield replace(claim.asked, outcome=Outcome.OK, found=str(answer))

    def _names(self, claim: Claim, issuer: str) -> Mapping[str, str]:
        """Return the names in the texts of answers, those that both ways have."""
        role_arn = self.binding.role_arn
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
