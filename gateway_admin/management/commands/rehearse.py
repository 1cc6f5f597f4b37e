"""Rehearses a gateway's renewal, like the button of that name."""

from __future__ import annotations

from certificates.models import Trigger
from gateway_admin.management.commands.issue import IssuanceCommand


class Command(IssuanceCommand):
    """`rehearse GATEWAY [--wait]`: nothing in use is touched."""

    help = "Test against the staging environment whether a renewal would succeed now."
    trigger = Trigger.REHEARSAL
