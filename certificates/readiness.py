"""Whether an order could be placed now and its certificate stored: what only this console knows.

Parts of a preflight; each says what it found, and writes nothing that stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils import timezone

from certificates import backoffs, directories, disk, requesting
from certificates.models import Directory, Gateway
from certificates.policy import disk as disk_policy
from certificates.policy import preflight as policy
from certificates.policy import warnings
from certificates.policy.issuance import Environment
from certificates.policy.names import identifier_set
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Established, Fact, Report
from challenges.problems import Problem, ProblemError

# A disk that hangs is a finding, and no reason to hang as well (seconds).
DISK_PATIENCE = 3.0


def room() -> Report:
    """Whether a certificate could be stored; nothing is ordered while it could not."""
    directory = str(disk.data_directory())
    (found,) = in_parallel([_why_no_room], seconds=DISK_PATIENCE)
    match found:
        case Problem():
            return Report((found,))
        case None:
            return Report((disk_policy.not_writable(directory, "No answer in time"),))
        case _:
            seen = f"A certificate can be stored: there is room in {directory}."
            return Report(established=(Established(Fact.STORAGE_READY, seen),))


def orders(gateway: Gateway, names: Sequence[str], asked: Iterable[Environment]) -> Report:
    """Whether our own budget, or a pause that the CA has asked for, forbids an order now."""
    reasons = requesting.why_no_order(gateway, names, asked, timezone.now())
    if reasons:
        return Report(tuple(reasons))
    seen = "The CA's rate limits leave room for an order, as far as this console has used them."
    return Report(established=(Established(Fact.ORDER_ALLOWED, seen),))


def automatic(names: Sequence[str]) -> Report:
    """What keeps an issuance from beginning by itself; a person may begin one all the same."""
    now, known, key = timezone.now(), directories.known(), identifier_set(names)
    absent = [directories.away(known, environment, now) for environment in Environment]
    found = [problem for row in absent if row is not None and (problem := _absence(row))]
    backoff = backoffs.by_set([key]).get(key)
    until = backoffs.holds_until(backoff, known, now)
    if backoff is not None and backoff.is_stopped:
        found.append(policy.renewal_stopped(backoff.problem))
    elif backoff is not None and until is not None and until > now:
        found.append(policy.renewal_waits(backoff.problem, until))
    return Report(tuple(found))


def _why_no_room() -> Problem | bool:
    """False when there is room: None stands for no answer."""
    try:
        disk.require_space()
    except ProblemError as error:
        return error.problem
    return False


def _absence(row: Directory) -> Problem | None:
    if row.away_since is None:
        return None
    label = directories.label_of(row.url)
    facts = warnings.AuthorityFacts(label, row.url, row.away_since, row.detail)
    return warnings.absence(facts, row.away_since)
