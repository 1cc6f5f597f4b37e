"""Says that this machine's clock is right, after it was not believed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from certificates import clock, events
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, one_line


class Command(OperatorCommand):
    """`accept_clock`."""

    help = "Believe this machine's clock from now on, whatever it showed before."

    def carry_out(self, options: dict[str, Any]) -> None:
        """Nothing needs to be accepted while the clock is believed; that is no failure."""
        now = timezone.now()
        doubted = clock.problem(now)
        if now < settings.BUILT_AT:
            raise CommandError(
                f"The clock shows {documents.moment(now)}, but this version was made on "
                f"{documents.moment(settings.BUILT_AT)}, so it cannot be right. Set it first: "
                "sudo timedatectl set-ntp true"
            )
        if doubted is not None:
            clock.accept(now)
            events.record(
                "clock-accepted",
                f"The clock was said to be right at {now:%Y-%m-%d %H:%M:%S} UTC; certificates are "
                "requested and renewed again.",
                detail=one_line(doubted),
                at=now,
            )
        self.answer(
            options,
            {"now": documents.moment(now), "was_doubted": doubted is not None},
            f"The clock is believed: {documents.moment(now)}."
            if doubted
            else f"Nothing was to be done: the clock is believed already, {documents.moment(now)}.",
        )
