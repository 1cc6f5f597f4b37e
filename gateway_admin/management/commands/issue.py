"""Tests and obtains a certificate, like the button of that name."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import issuing, requesting, tasks
from certificates.models import Issuance, Trigger
from certificates.policy.issuance import State
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway, one_line

LOOK_EVERY = 0.05  # seconds
# When no worker takes the issuance in this time this command does the work itself.
WORKER_PATIENCE = 3.0  # seconds


class IssuanceCommand(OperatorCommand):
    """Asks for an issuance of the kind that ``trigger`` says."""

    trigger: Trigger

    def add_arguments(self, parser: CommandParser) -> None:
        """The gateway, and whether to wait for the end."""
        super().add_arguments(parser)
        parser.add_argument("gateway", nargs="?", help="its short name (default: default)")
        parser.add_argument("--wait", action="store_true", help="wait for the end")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Ask for it; with --wait fail when it fails."""
        issuance = requesting.request(
            gateway(options["gateway"]), trigger=self.trigger, now=timezone.now()
        )
        tasks.enqueue_advance(issuance.pk)
        if options["wait"]:
            issuance = wait_for(issuance.pk)
        report(self, options, issuance)


class Command(IssuanceCommand):
    """`issue [GATEWAY] [--wait]`."""

    help = "Test against the staging environment and obtain the production certificate."
    trigger = Trigger.MANUAL


def wait_for(pk: int) -> Issuance:
    """The issuance once it has ended, or waits for hours; works on it itself while no worker does.

    The row is looked at, not the broker, so this is right with a worker and without one.
    """
    patience = time.monotonic() + WORKER_PATIENCE
    while True:
        issuance = Issuance.objects.get(pk=pk)
        if issuance.is_terminal or issuance.waits_at(timezone.now()):
            return issuance
        if time.monotonic() > patience:
            issuing.advance(pk)
        time.sleep(LOOK_EVERY)


def report(command: OperatorCommand, options: dict[str, Any], issuance: Issuance) -> None:
    """Answer with the issuance; exit status 1 when it has failed, or waits for something."""
    command.answer(
        options,
        documents.issuance(issuance),
        f"Issuance {issuance.pk} of {issuance.gateway.slug}: {issuance.current.label}.",
    )
    if issuance.current in {State.FAILED, State.CANCELLED}:
        problem = issuance.problem
        command.stderr.write(one_line(problem) if problem else issuance.current.label)
        sys.exit(1)
    if options.get("wait") and issuance.problem is not None and not issuance.is_terminal:
        command.stderr.write(f"{one_line(issuance.problem)} It waits, and goes on by itself.")
        sys.exit(1)
