"""Who works on an issuance: a lease in its row, taken by a conditional update.

A lease that has run out is simply taken by the next; there is no lock to go stale.
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid

from django.db.models import Q, QuerySet
from django.utils import timezone

from certificates.models import Issuance
from certificates.policy.issuance import TERMINAL

# Longer than the longest time between two calls of keep() (one request and its answer), shorter
# than a person's patience.
LEASE = datetime.timedelta(seconds=45)
# Farther ahead only a clock that was wrong has written: steps wait for hours, never for days.
LONGEST_WAIT = datetime.timedelta(days=2)


class LeaseLostError(Exception):
    """Another worker has taken over; whoever gets this must not write any more."""


@dataclasses.dataclass
class Lease:
    """The right to advance one issuance until ``expires_at``.

    ``is_inherited``: whoever held it before never gave it back, so it died over its work.
    """

    pk: int
    owner: str
    expires_at: datetime.datetime
    is_inherited: bool = False

    def rows(self) -> QuerySet[Issuance]:
        """The issuance's row while it is ours."""
        return Issuance.objects.filter(pk=self.pk, lease_owner=self.owner)

    def update(self, **fields: object) -> None:
        """Write to the row; raises LeaseLostError when it is no longer ours."""
        if not self.rows().update(**fields):
            raise LeaseLostError

    def confirm(self) -> None:
        """Raise LeaseLostError unless the row is still ours: before writing to other rows."""
        if not self.rows().exists():
            raise LeaseLostError

    def keep(self) -> None:
        """Extend the lease once a third of it is used up; raises LeaseLostError."""
        now = timezone.now()
        if self.expires_at - now < LEASE * 2 / 3:
            self.expires_at = now + LEASE
            self.update(lease_expires_at=self.expires_at)

    def release(self) -> None:
        """Let the next one in; nothing happens when it was lost."""
        self.rows().update(lease_owner="", lease_expires_at=None)


def due(now: datetime.datetime) -> QuerySet[Issuance]:
    """The issuances with a step due at ``now`` and nobody working on it."""
    return Issuance.objects.filter(
        Q(next_step_at__isnull=True)
        | Q(next_step_at__lte=now)
        | Q(next_step_at__gt=now + LONGEST_WAIT),
        Q(lease_expires_at__isnull=True)
        | Q(lease_expires_at__lt=now)
        | Q(lease_expires_at__gt=now + 2 * LEASE),
    ).exclude(state__in=sorted(TERMINAL))


def claim(pk: int, now: datetime.datetime) -> Lease | None:
    """Take the lease if a step is due and the lease is free; None if not."""
    free = due(now).filter(pk=pk)
    before = free.values_list("lease_owner", flat=True).first()
    if before is None:
        return None
    lease = Lease(pk, uuid.uuid4().hex, now + LEASE, is_inherited=bool(before))
    taken = free.filter(lease_owner=before).update(
        lease_owner=lease.owner, lease_expires_at=lease.expires_at
    )
    return lease if taken else None
