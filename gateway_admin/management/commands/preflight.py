"""Looks at the surroundings of a gateway before a CA is asked."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates import preflighting
from certificates.models import Preflight
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
        """Findings are no failure of the command. No worker is needed."""
        watch = self._say if self.stderr.isatty() else None
        preflight = preflighting.at_once(gateway(options["gateway"]), watch)
        self.answer(options, documents.preflight(preflight), _text(preflight))

    def _say(self, step: int, of: int, words: str) -> None:
        # Progress is no error: not in the colour of one.
        self.stderr.write(f"{step} of {of}: {words}" if of else words, style_func=str)


def _text(preflight: Preflight) -> str:
    """Findings with their remedies, the worst first; then what is right."""
    lines: list[str] = []
    for finding in preflight.problems:
        lines.append(f"{finding.severity}: {finding.explanation}")
        lines += [f"  {number}. {step}" for number, step in enumerate(finding.remedy, start=1)]
    if not lines:
        lines.append("Nothing was found that stands in the way.")
    return "\n".join([*lines, *(f"ok: {sentence}" for _, sentence in preflight.established)])
