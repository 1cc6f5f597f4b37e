"""What is done about an issuance's failure: the end, another try, a new order, or a wait."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from certificates.policy.acme_document import CaProblem
from certificates.policy.refusal import Scope, is_passing, retry_moment, scope_of, subject_of
from challenges.problems import Problem


class Action(enum.Enum):
    """What is done about it."""

    FAIL = "fail"
    REPEAT = "repeat"
    BEGIN_ANEW = "begin anew"
    WAIT = "wait"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """``not_before`` is when the CA, or our own budget, lets us ask again.

    ``scope`` and ``subject`` say what a pause that the CA has asked for concerns;
    ``is_ca_away`` that the CA gave no answer, ``is_fault`` that this program is to blame.
    """

    action: Action
    problem: Problem
    not_before: datetime.datetime | None = None
    scope: Scope | None = None
    subject: str = ""
    is_ca_away: bool = False
    is_fault: bool = False


def on_refusal(
    refusal: CaProblem, explained: Problem, now: datetime.datetime, *, is_final: bool
) -> Verdict:
    """The CA's own trouble, or a short wait, is worth another try within the attempt.

    ``is_final`` says that it was an order or an authorization that was refused, and not only a
    request; ``explained`` is the refusal for people.
    """
    moment = retry_moment(refusal, now)
    passes = (refusal.is_limit or is_passing(refusal)) and explained.retryable and not is_final
    return Verdict(
        Action.REPEAT if passes else Action.FAIL,
        explained,
        not_before=moment,
        scope=scope_of(refusal) if (refusal.is_limit if passes else moment) else None,
        subject=subject_of(refusal),
        is_ca_away=passes and refusal.status >= 500,
    )
