"""Carries preflights out and keeps what they come to: by a button, by a command, in an issuance.

One runs for a gateway at a time, beside those of issuances. Its word is advice: a defect in a
check stops no issuance.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from certificates import events, readiness, surroundings
from certificates.models import Gateway, Issuance, Preflight
from certificates.policy import preflight as policy
from certificates.policy.issuance import Environment, environments
from certificates.surroundings import Progress
from challenges import preflight
from challenges.preflight.report import Established, Report, joined
from challenges.preflight.running import incomplete
from challenges.problems import legible, worst_first

logger = logging.getLogger("gateway_admin.preflighting")

# For all of it, whatever hangs but the database: the lease of an issuance is longer.
SECONDS = preflight.SECONDS
# Of those that nobody's issuance holds; an issuance keeps its own.
MOST_KEPT = 20
# A hundred names can have several each; nobody reads more at a time.
MOST_FINDINGS = 100
# How often progress is written at most: at every step, within one now and then.
MOST_WRITES = 40
WRITTEN_EVERY = 0.5  # seconds
LOOK_EVERY = 0.2  # seconds
_LONGEST_PROGRESS = 200


def begin(gateway: Gateway, now: datetime.datetime) -> Preflight:
    """The row of a new preflight, for somebody to carry out; or of the one that is running."""
    end_abandoned(now, gateway)
    running = _of_nobody().filter(gateway=gateway, finished_at=None).first()
    if running is not None:
        return running
    try:
        with transaction.atomic():
            return Preflight.objects.create(gateway=gateway, names=gateway.names, started_at=now)
    except IntegrityError:
        # The constraint lets only one run; another request was faster.
        return _of_nobody().filter(gateway=gateway)[0]


def carry_out(pk: int, watch: Progress | None = None) -> bool:
    """Carry the preflight out, unless it has ended or somebody else is at it; whether we did.

    Must not be called inside a transaction.
    """
    now = timezone.now()
    waiting = Preflight.objects.filter(pk=pk, taken_at=None, finished_at=None)
    if not waiting.update(taken_at=now):
        return False
    row = Preflight.objects.select_related("gateway__selected_certificate").get(pk=pk)
    report = _look(row, tuple(Environment), watch)
    with transaction.atomic():
        if _end(row, report, timezone.now()):
            message, detail = sentence(report), listed(report)
            events.record("preflight-done", message, gateway=row.gateway, detail=detail)
            _prune(row.gateway)
    return True


def at_once(gateway: Gateway, watch: Progress | None = None) -> Preflight:
    """Carry one out here and now, or wait for the one that is being carried out elsewhere."""
    while True:
        row = begin(gateway, timezone.now())
        while not carry_out(row.pk, watch) and not row.has_ended:
            time.sleep(LOOK_EVERY)
            row.refresh_from_db()
            if row.is_abandoned(timezone.now()):
                break
        row.refresh_from_db()
        if row.has_ended:
            return row


def of_issuance(issuance: Issuance) -> Report:
    """The first stage of an issuance, kept in its own row; done again, it begins anew.

    Must not be called inside a transaction.
    """
    now = timezone.now()
    fresh: dict[str, object] = {
        "gateway": issuance.gateway,
        "names": issuance.names,
        "progress": "",
        "step": 0,
        "steps": 0,
        "findings": [],
        "established": [],
        "addresses": {},
        "started_at": now,
        "taken_at": now,
        "finished_at": None,
    }
    row, _ = Preflight.objects.update_or_create(issuance=issuance, defaults=fresh)
    report = _look(row, environments(issuance.way))
    _end(row, report, timezone.now())
    return report


def could_not_be_sent(pk: int, detail: str) -> None:
    """End it: no worker will hear of it."""
    row = Preflight.objects.filter(pk=pk, taken_at=None).first()
    if row is not None:
        _end(row, Report((policy.not_sent(detail),)), timezone.now())


def end_abandoned(now: datetime.datetime, gateway: Gateway | None = None) -> None:
    """End those whose worker has died, or never was: of one gateway, or of all. One query."""
    running = _of_nobody().filter(finished_at=None)
    for row in running if gateway is None else running.filter(gateway=gateway):
        if row.is_abandoned(now):
            _end(row, Report((policy.abandoned(was_taken=row.taken_at is not None),)), now)


def sentence(report: Report) -> str:
    """What came of it, for the log."""
    count = len(report.findings)
    if not count:
        return "The preflight check found nothing that stands in the way."
    things = "one thing" if count == 1 else f"{count} things"
    return f"The preflight check found {things} to look at; the staging test decides."


def listed(report: Report) -> str:
    """Everything in it, a line for each."""
    found = [f"{finding.severity}: {finding.explanation}" for finding in report.findings]
    return "\n".join([*found, *(f"ok: {each.sentence}" for each in report.established)])


def _look(row: Preflight, asked: Iterable[Environment], watch: Progress | None = None) -> Report:
    """Everything, first what only this console knows. Raises DatabaseError alone."""
    deadline = time.monotonic() + SECONDS
    asked, progress = tuple(asked), _Written(row, watch)
    progress(0, 0, "Looking at the disk and at what the CA's limits leave")
    checks: tuple[Callable[[], Report], ...] = (
        readiness.room,
        partial(readiness.orders, row.gateway, row.names, asked),
        *([partial(readiness.automatic, row.names)] if row.issuance_id is None else []),
    )
    # They cost next to nothing, and are told last: the way in is what most people have to mend.
    own = joined([_attempted(check) for check in checks])
    left = deadline - time.monotonic()
    outside = partial(surroundings.report, row.names, asked, progress=progress, seconds=left)
    return _storable(_attempted(outside) + own)


def _clean(text: str) -> str:
    """The whole text, fit to be stored and shown: some are strangers' words."""
    return legible(text, len(text))


def _storable(report: Report) -> Report:
    """The worst of it, in texts that every database takes."""
    return Report(
        tuple(
            dataclasses.replace(
                finding,
                explanation=_clean(finding.explanation),
                remedy=tuple(_clean(step) for step in finding.remedy),
                detail=_clean(finding.detail),
            )
            for finding in worst_first(report.findings)[:MOST_FINDINGS]
        ),
        tuple(
            Established(each.fact, _clean(each.sentence))
            for each in report.established[:MOST_FINDINGS]
        ),
        report.addresses,
    )


def _attempted(check: Callable[[], Report]) -> Report:
    try:
        return check()
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("A check of the preflight failed.")
        return Report((incomplete(f"{type(error).__name__}: {error}"),))


class _Written:
    """Progress, written to the row in bounded number; nothing comes of a write that fails."""

    def __init__(self, row: Preflight, watch: Progress | None) -> None:
        self.row, self.watch = row, watch
        self.left, self.step, self.at = MOST_WRITES, -1, float("-inf")

    def __call__(self, step: int, of: int, words: str) -> None:
        if self.watch is not None:
            self.watch(step, of, words)
        is_new = step != self.step or time.monotonic() - self.at >= WRITTEN_EVERY
        if not self.left or not is_new:
            return
        self.left, self.step, self.at = self.left - 1, step, time.monotonic()
        try:
            progress = legible(words, _LONGEST_PROGRESS)
            _write(self.row, step=step, steps=of, progress=progress)
        except DatabaseError:
            logger.warning("The progress of preflight %s could not be written.", self.row.pk)


def _of_nobody() -> QuerySet[Preflight]:
    """Those that belong to no issuance, newest first."""
    return Preflight.objects.filter(issuance=None)


def _end(row: Preflight, report: Report, now: datetime.datetime) -> bool:
    return _write(
        row,
        findings=[finding.to_json() for finding in report.findings],
        established=[[each.fact.value, each.sentence] for each in report.established],
        addresses={name: list(found) for name, found in report.addresses},
        finished_at=now,
    )


def _write(row: Preflight, **fields: object) -> bool:
    """Write to the row while it is still as we took it, and has not ended; whether it was."""
    ours = Preflight.objects.filter(pk=row.pk, taken_at=row.taken_at, finished_at=None)
    return bool(ours.update(**fields))


def _prune(gateway: Gateway) -> None:
    own = _of_nobody().filter(gateway=gateway)
    kept = list(own.values_list("pk", flat=True)[:MOST_KEPT])
    own.exclude(pk__in=kept).delete()
