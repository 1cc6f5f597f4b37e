"""Rehearses a gateway's renewal, like the button of that name."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import requesting, tasks
from certificates.models import Trigger
from gateway_admin.management.commands.issue import report, wait_for
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`rehearse GATEWAY [--wait]`."""

    help = "Test against the staging environment whether a renewal would succeed now."

    def add_arguments(self, parser: CommandParser) -> None:
        """The gateway, and whether to wait for the end."""
        super().add_arguments(parser)
        parser.add_argument("gateway", nargs="?", help="its short name (default: default)")
        parser.add_argument("--wait", action="store_true", help="wait for the end")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Ask for it; with --wait fail when it fails. Nothing in use is touched."""
        rehearsal = requesting.request(
            gateway(options["gateway"]), trigger=Trigger.REHEARSAL, now=timezone.now()
        )
        tasks.enqueue_advance(rehearsal.pk)
        report(self, options, wait_for(rehearsal.pk) if options["wait"] else rehearsal)
