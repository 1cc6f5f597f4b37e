"""Celery's tasks: each says only which row to look at; a lost or doubled one does no harm."""

from __future__ import annotations

import datetime
import functools
import logging

from celery import shared_task
from django.db import DatabaseError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from certificates import (
    budget,
    clock,
    following,
    heartbeats,
    inquiring,
    issuing,
    leases,
    pauses,
    preflighting,
    queries,
    renewing,
    repairing,
)
from certificates.models import Component
from challenges import tokens, whereabouts

# A worker holds what is counted down in its memory, so only short waits are (seconds).
LONGEST_COUNTDOWN = datetime.timedelta(seconds=60)

logger = logging.getLogger("gateway_admin.tasks")


@shared_task
def advance(pk: int) -> None:
    """Look at issuance ``pk``, and again when it has waited; the sweep would be later."""
    wait = issuing.advance(pk)
    if wait is not None and wait <= LONGEST_COUNTDOWN:
        advance.apply_async((pk,), countdown=wait.total_seconds())


@shared_task
def preflight(pk: int) -> None:
    """Carry preflight ``pk`` out, if nobody has yet."""
    preflighting.carry_out(pk)


@shared_task
def heartbeat() -> None:
    """Show that messages are sent, taken and carried out."""
    heartbeats.beat(Component.WORKER, timezone.now())


@shared_task
def sweep() -> None:
    """Pick up whatever is due and nobody works on: renewals, rehearsals, steps, old rows."""
    now = timezone.now()
    if clock.problem(now) is None:
        clock.note(now)
        tokens.withdraw_expired(now)
        whereabouts.forget_gone(now)
        pauses.withdraw_expired(now)
        budget.forget_old(now)
        preflighting.end_abandoned(now)
        _begin_due(now)
    for pk in leases.due(now).values_list("pk", flat=True):
        advance.delay(pk)
    # Last, so that its age is the age of a sweep that was completed.
    heartbeats.beat(Component.SWEEP, timezone.now())
    heartbeats.note_warnings(queries.count_for_sweep(timezone.now()))


def _begin_due(now: datetime.datetime) -> None:
    """What is running goes on, whatever keeps others from beginning."""
    try:
        renewing.request_due(now)
        renewing.rehearse_due(now)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("What is due could not begin.")


@shared_task
def inquire() -> None:
    """Ask the CAs when to renew, and whether one that was away is back."""
    inquiring.ask_due(timezone.now())


@shared_task
def mend() -> None:
    """Try again what could not be written: one query while nothing is wrong.

    Apart from the sweep, which a disk that hangs must not keep.
    """
    repairing.repair(timezone.now(), only_known=True)


@shared_task
def follow() -> None:
    """Look at the files that other tools renew; apart from the sweep for the same reason."""
    following.look(timezone.now())


@shared_task
def repair() -> None:
    """Make files and plans what the rows say, at the start and every hour."""
    repairing.repair(timezone.now())
    renewing.schedule_all()


def enqueue_advance(pk: int) -> None:
    """Nudge a worker towards issuance ``pk`` once the transaction has been committed."""
    transaction.on_commit(functools.partial(_send, pk))


def enqueue_preflight(pk: int) -> None:
    """Have a worker carry preflight ``pk`` out once the transaction has been committed."""
    transaction.on_commit(functools.partial(_send_preflight, pk))


def _send(pk: int) -> None:
    try:
        advance.delay(pk)
    except (OperationalError, OSError):
        # The row is there, so the next sweep finds it; only the start is later.
        logger.warning("The broker cannot be reached; issuance %s waits for the sweep.", pk)


def _send_preflight(pk: int) -> None:
    try:
        preflight.delay(pk)
    except (OperationalError, OSError) as error:
        # Somebody watches this one: better to say so at once than to wait for what will not come.
        preflighting.could_not_be_sent(pk, f"{type(error).__name__}: {error}")
