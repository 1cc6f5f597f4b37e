"""Looks at the surroundings of a gateway before a CA is asked."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates import surroundings
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`preflight [GATEWAY]`."""

    help = "Check DNS, network and CA for a gateway; the findings are advice."

    def add_arguments(self, parser: CommandParser) -> None:
        """The gateway."""
        super().add_arguments(parser)
        parser.add_argument("gateway", nargs="?", help="its short name (default: default)")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Findings are no failure of the command."""
        row = gateway(options["gateway"])
        findings = surroundings.findings(row.names)
        self.answer(
            options,
            {"findings": documents.problems(findings)},
            "\n".join(f"{finding.severity}: {finding.explanation}" for finding in findings)
            or "Nothing was found that stands in the way.",
        )
