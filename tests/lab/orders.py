"""An order of the lab's CA as an issuance of the product's: its tokens, visits and explanation.

Runs on the gateway's machine, called through tests/lab/gateway.py.
"""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any

from django.utils import timezone

from certificates import abandoning, evidence, verdicts
from certificates.models import Account, Gateway, Issuance, Order, OrderStatus, Preflight, Trigger
from certificates.policy.acme_document import URN, CaProblem
from certificates.policy.evidence import sentence
from certificates.policy.issuance import Environment, State
from certificates.policy.names import identifier_set
from challenges import tokens
from challenges.models import NetworkSettings, ValidationRequest
from challenges.preflight.fetching import fetch
from challenges.preflight.own_port import published_probe
from challenges.preflight.report import Report
from gateway_admin.management import documents
from tests.parts.processes import wait_until

# No address of a CA that is asked, so that CAA records are not compared with it.
_DIRECTORY = "https://elsewhere.invalid/dir"
_LIFETIME = datetime.timedelta(minutes=5)
_LOOPBACK = ipaddress.ip_address("127.0.0.1")
# A port that hangs hangs for a CA, too.
_ANSWERED_WITHIN = 1.0


def place(names: list[str], authorizations: dict[str, str]) -> None:
    """An issuance whose order has these tokens, published before the CA is told to look."""
    Gateway.objects.all().delete()
    now = timezone.now()
    gateway = Gateway.objects.create(slug="lab", hostname=names[0], additional_hostnames=names[1:])
    issuance = Issuance.objects.create(
        gateway=gateway,
        state=State.STAGING_TEST,
        trigger=Trigger.MANUAL,
        names=names,
        identifier_set=identifier_set(names),
        started_at=now,
    )
    Order.objects.create(
        issuance=issuance,
        account=Account.objects.get_or_create(directory_url=_DIRECTORY)[0],
        environment=Environment.STAGING.value,
        status=OrderStatus.PENDING,
        challenge_tokens=list(authorizations),
    )
    for token, authorization in authorizations.items():
        tokens.publish(token, authorization, now=now, lifetime=_LIFETIME)


def keep(report: Report) -> None:
    """Store the preflight with the issuance, as its first stage does; without one, nothing."""
    for issuance in Issuance.objects.all():
        Preflight.objects.create(
            gateway=issuance.gateway,
            issuance=issuance,
            names=issuance.names,
            findings=documents.problems(report.findings),
            addresses={name: list(found) for name, found in report.addresses},
            started_at=issuance.started_at,
        )


def end(refusals: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """End the order; what came for it in words, and what is said of the CA's error for each name.

    ``refusals`` are the CA's problem documents (RFC 8555 §6.7) by name.
    """
    issuance = Issuance.objects.get()
    abandoning.withdraw_tokens(issuance.orders.get())
    _let_visits_be_written()
    seen = evidence.of(issuance)
    explained = {
        name: verdicts.explain(_problem(name, document), issuance, seen).to_json()
        for name, document in refusals.items()
    }
    Gateway.objects.all().delete()
    ValidationRequest.objects.all().delete()
    return {"visits": sentence(seen), "explained": explained}


def _problem(name: str, document: dict[str, Any]) -> CaProblem:
    return CaProblem(
        type=document["type"].removeprefix(URN),
        detail=document["detail"],
        status=document.get("status", 0),
        identifier=name,
    )


def _let_visits_be_written() -> None:
    """Visits are written in the order in which they came: one more of our own, and wait for it."""
    port = NetworkSettings.load().challenge_port
    with published_probe(timezone.now()) as probe:
        answer = fetch(_LOOPBACK, port, probe.token, host="lab", seconds=_ANSWERED_WITHIN)
        if answer.is_token(probe.authorization):
            mine = ValidationRequest.objects.filter(token=probe.token)
            wait_until(mine.exists, "The visits are written down", every=0.02)
