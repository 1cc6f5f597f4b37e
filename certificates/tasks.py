"""Celery's tasks: each says only which row to look at; a lost or doubled one does no harm."""

from __future__ import annotations

import functools
import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from certificates import deploying, heartbeats, issuing, leases, renewing
from certificates.models import Component
from challenges import tokens

logger = logging.getLogger("gateway_admin.tasks")


@shared_task
def advance(pk: int) -> None:
    """Look at issuance ``pk``."""
    issuing.advance(pk)


@shared_task
def heartbeat() -> None:
    """Show that messages are sent, taken and carried out."""
    heartbeats.beat(Component.WORKER, timezone.now())


@shared_task
def sweep() -> None:
    """Pick up whatever is due and nobody works on: renewals, steps, expired tokens."""
    now = timezone.now()
    tokens.withdraw_expired(now)
    renewing.request_due(now)
    for pk in leases.due(now).values_list("pk", flat=True):
        advance.delay(pk)
    heartbeats.beat(Component.SWEEP, now)


@shared_task
def repair() -> None:
    """Compare the files in use with the rows, at the start and every hour."""
    deploying.repair(timezone.now())


def enqueue_advance(pk: int) -> None:
    """Nudge a worker towards issuance ``pk`` once the transaction has been committed."""
    transaction.on_commit(functools.partial(_send, pk))


def _send(pk: int) -> None:
    try:
        advance.delay(pk)
    except (OperationalError, OSError):
        # The row is there, so the next sweep finds it; only the start is later.
        logger.warning("The broker cannot be reached; issuance %s waits for the sweep.", pk)
