"""Shows gateways, certificates, parts and warnings."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils import timezone

from certificates import queries
from certificates.models import Gateway
from gateway_admin import health
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, one_line


class Command(OperatorCommand):
    """`status`."""

    help = "Show every gateway's certificate and next renewal, the parts and the warnings."

    def carry_out(self, options: dict[str, Any]) -> None:
        """Read only."""
        now = timezone.now()
        rows = list(
            Gateway.objects.select_related(
                "selected_certificate__renewal_information", "followed_files__certificate"
            )
        )
        gateways = [documents.gateway(summary) for summary in queries.summaries(rows, now)]
        parts = health.read(now)
        console = dataclasses.replace(queries.console(now), parts=parts)
        found = queries.current_warnings(now, console)
        self.answer(
            options,
            {
                "gateways": gateways,
                "components": documents.components(parts),
                "warnings": documents.problems(placed.problem for placed in found.problems),
                "warning_count": found.count,
            },
            "\n".join(
                [
                    *(_line(gateway) for gateway in gateways),
                    *(f"{part.label}: {part.explanation}" for part in parts),
                    *(f"Warning: {one_line(placed.problem)}" for placed in found.problems),
                ]
            ),
        )


def _line(gateway: dict[str, Any]) -> str:
    certificate, renewal = gateway["certificate"], gateway["next_renewal"]
    parts = [f"{gateway['slug']}: {gateway['hostname']}, {gateway['certificate_source']}"]
    if certificate:
        parts.append(f"valid until {certificate['not_after']}")
    if gateway["renewal_off"]:
        parts.append("renewal off")
    if gateway["followed_files"]:
        parts.append(f"follows {gateway['followed_files']['certificate_path']}")
    if gateway["renewal_stopped"]:
        parts.append("renewal stopped")
    if renewal:
        parts.append(f"next renewal {renewal['at']}")
    return ", ".join(parts)
