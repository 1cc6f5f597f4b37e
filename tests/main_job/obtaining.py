"""Obtains a certificate for each of N new gateways, one after the other: `… obtaining FILE N`.

In one process, like a worker that has nothing else to do, and with every wait that an issuance
asks for. Writes one JSON line for each gateway to FILE.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from django.utils import timezone

from certificates import issuing, requesting
from certificates.models import Gateway, Issuance, Trigger

# An issuance that wants to wait longer than this has not succeeded at this attempt.
LONGEST_WAIT = datetime.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True)
class Obtained:
    """How one issuance ended; ``problem`` is the code of what stood in its way, and its detail."""

    hostname: str
    state: str
    problem: str
    seconds: float


def main(results: Path, count: int) -> None:
    """Obtain so many."""
    for _ in range(count):
        number = Gateway.objects.count()
        # A registered domain for each, or the weekly limit for one would end this at fifty.
        gateway = Gateway.objects.create(
            slug=f"g{number}",
            hostname=f"mail.g{number}.test",
            terms_of_service_url="https://ca.example.test/terms",
            terms_agreed_at=timezone.now(),
        )
        with results.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(obtain(gateway))) + "\n")


def obtain(gateway: Gateway) -> Obtained:
    """Ask for a certificate and advance the issuance until it has ended."""
    begun = time.monotonic()
    pk = requesting.request(gateway, trigger=Trigger.MANUAL, now=timezone.now()).pk
    wait = issuing.advance(pk)
    while wait is not None and wait <= LONGEST_WAIT:
        time.sleep(max(wait.total_seconds(), 0.0))
        wait = issuing.advance(pk)
    issuance = Issuance.objects.get(pk=pk)
    problem = issuance.problem_facts or {}
    return Obtained(
        gateway.hostname,
        issuance.state,
        f"{problem.get('code', '')} {problem.get('detail', '')}".strip(),
        round(time.monotonic() - begun, 3),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
