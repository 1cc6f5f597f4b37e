"""Makes the files in use what the rows say; what cannot be is a warning while it lasts."""

from __future__ import annotations

import datetime
import logging

from django.db import DatabaseError, transaction

from certificates import deploying, events, store
from certificates.models import Gateway, Level
from challenges.problems import Problem, ProblemError, Severity

logger = logging.getLogger("gateway_admin.repairing")


def repair(now: datetime.datetime, *, only_known: bool = False) -> int:
    """Make the files in use again what the rows say; returns how many gateways needed it.

    A crash between the switch of the files and the commit, or somebody's hand, may have parted
    them. What cannot be written is kept with the gateway as ``files_problem``, and the next
    gateway is looked at. ``only_known`` looks only at those, which is cheap enough to be done
    often.
    """
    repaired = 0
    for pk in _in_disorder(only_known=only_known):
        try:
            repaired += _repair(pk, now)
        except ProblemError as error:
            _keep_problem(pk, error.problem, now)
        except DatabaseError:
            # A full disk keeps the database from being written as well.
            logger.exception("The files of gateway %s could not be repaired.", pk)
    return repaired


def _in_disorder(*, only_known: bool) -> list[int]:
    """Which gateways to look at. A list, since what is read here is changed afterwards."""
    rows = Gateway.objects.exclude(selected_certificate=None).select_related("selected_certificate")
    if only_known:
        rows = rows.filter(files_problem__isnull=False)
    return [
        row.pk
        for row in rows.iterator(chunk_size=200)
        if row.files_problem is not None or not _has_its_files(row)
    ]


def _repair(pk: int, now: datetime.datetime) -> bool:
    """Whether there was something to repair, once the row is locked and nobody else writes."""
    with deploying.changing(pk) as row:
        certificate = row.selected_certificate
        if certificate is None or (row.files_problem is None and _has_its_files(row)):
            return False
        if not _has_its_files(row):
            store.write_live(row, certificate)
        Gateway.objects.filter(pk=pk).update(files_problem=None)
        events.record(
            "certificate-files-repaired",
            "The files in use were not those of the selected certificate; they are now.",
            level=Level.WARNING,
            gateway=row,
            at=now,
        )
    return True


def _keep_problem(pk: int, problem: Problem, now: datetime.datetime) -> None:
    """A current warning until it is repaired; a line of the log only when it is news."""
    with transaction.atomic():
        row = Gateway.objects.select_for_update().get(pk=pk)
        wrong = _files_wrong(row, problem)
        known = Problem.from_json(row.files_problem) if row.files_problem else None
        if known is not None and known.explanation == wrong.explanation:
            return
        Gateway.objects.filter(pk=pk).update(files_problem=wrong.to_json())
        events.record(
            wrong.code,
            wrong.explanation,
            level=Level.ERROR,
            gateway=row,
            detail=wrong.detail,
            at=now,
        )


def _has_its_files(row: Gateway) -> bool:
    certificate = row.selected_certificate
    return certificate is not None and store.is_live(row, certificate)


def _files_wrong(gateway: Gateway, cause: Problem) -> Problem:
    return Problem(
        code="certificate-files-wrong",
        severity=Severity.ERROR,
        explanation=(
            f"The files in {store.live_directory(gateway)} are not those of the certificate that "
            f"is selected for {gateway}, and could not be replaced. {cause.explanation}"
        ),
        remedy=cause.remedy,
        detail=cause.detail,
        retryable=cause.retryable,
    )
