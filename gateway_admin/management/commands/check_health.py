"""Tells a supervisor or a container engine whether one part is alive."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from certificates.policy.health import Part
from gateway_admin import health


class Command(BaseCommand):
    """`check_health PART`: exit status 0 while it is alive, else 1 and a line that says why."""

    help = "Check that one part is alive."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """The part."""
        parser.add_argument("part", choices=[part.value for part in Part])

    def handle(self, *_: Any, **options: Any) -> None:
        """Read only; needs no prepared data directory."""
        (status,) = [
            status for status in health.read(timezone.now()) if status.name == options["part"]
        ]
        if not status.is_ok:
            raise CommandError(status.explanation)
