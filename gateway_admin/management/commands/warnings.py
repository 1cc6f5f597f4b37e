"""Shows the warnings that hold now."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils import timezone

from certificates import queries
from gateway_admin import health
from gateway_admin.management.operating import OperatorCommand, one_line


class Command(OperatorCommand):
    """`warnings`."""

    help = "Show the warnings that hold now, worst first."

    def carry_out(self, options: dict[str, Any]) -> None:
        """Computed from the present facts; warnings are no failure of the command."""
        now = timezone.now()
        console = dataclasses.replace(queries.console(now), parts=health.read(now))
        found = queries.current_warnings(now, console)
        self.answer(
            options,
            {
                "warnings": [
                    placed.problem.to_json()
                    | {"gateway": placed.gateway.slug if placed.gateway else None}
                    for placed in found.problems
                ],
                "count": found.count,
            },
            "\n".join(
                f"{placed.problem.severity}: {one_line(placed.problem)}"
                for placed in found.problems
            )
            or "There are no warnings.",
        )
