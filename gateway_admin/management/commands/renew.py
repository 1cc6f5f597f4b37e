"""Renews one gateway's certificate now, or all that are due."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import renewing, requesting, tasks
from certificates.models import Issuance, Trigger
from gateway_admin.management import documents
from gateway_admin.management.commands.issue import report, wait_for
from gateway_admin.management.operating import OperatorCommand, gateway, one_line


class Command(OperatorCommand):
    """`renew [--due | GATEWAY]`."""

    help = "Renew a gateway's certificate now, or with --due those that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        """Either what is due or one gateway."""
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--due", action="store_true", help="only what is due")
        which.add_argument("gateway", nargs="?", help="its short name (default: default)")
        parser.add_argument("--wait", action="store_true", help="wait for the end")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Ask for the issuances; without --due whether or not the renewal is due.

        With --due it fails when something is due and none of it could be begun, and says why.
        """
        now = timezone.now()
        if options["due"]:
            self._renew_due(options)
            return
        issuance = requesting.request(gateway(options["gateway"]), trigger=Trigger.MANUAL, now=now)
        tasks.enqueue_advance(issuance.pk)
        report(self, options, wait_for(issuance.pk) if options["wait"] else issuance)

    def _renew_due(self, options: dict[str, Any]) -> None:
        begun = renewing.begin_due(timezone.now())
        requested = begun.issuances
        for pk in requested:
            tasks.enqueue_advance(pk)
        if options["wait"]:
            for pk in requested:
                wait_for(pk)
        rows = Issuance.objects.filter(pk__in=requested).select_related("gateway")
        self.answer(
            options,
            {
                "issuances": [documents.issuance(row) for row in rows],
                "held_back": begun.held_back.to_json() if begun.held_back else None,
            },
            f"Renewals begun: {len(requested)}.",
        )
        if begun.held_back is not None:
            self.stderr.write(one_line(begun.held_back))
            if not requested:
                sys.exit(1)
        if failed := sum(1 for row in rows if row.problem is not None and row.is_terminal):
            raise CommandError(f"{failed} of {len(requested)} renewals failed; see: manage.py log")
