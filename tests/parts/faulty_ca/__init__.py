"""A CA that goes wrong on purpose: a proxy before Pebble that injects faults and counts requests.

    ca.rules.add(Fault.problem("rateLimited", status=429, retry_after="120"),
                 at=Endpoint.NEW_ORDER, times=1)
    ca.rules.add(Fault.status(503), probability=0.3)
    ca.offers.renewal_info()
    ca.counts[Endpoint.NEW_ORDER]

It also adds what Debian's Pebble lacks: renewal information, profiles and ``replaces``.
"""

from __future__ import annotations

from tests.parts.faulty_ca import forging
from tests.parts.faulty_ca.changes import http_date
from tests.parts.faulty_ca.endpoints import SIGNED, Endpoint, Seen
from tests.parts.faulty_ca.faults import Delivery, Exchange, Fault
from tests.parts.faulty_ca.memory import Issued, certificate_id
from tests.parts.faulty_ca.offers import Refusal, RenewalInfo, usual_window
from tests.parts.faulty_ca.pair import FaultyAuthorities, StartFaultyAuthorities
from tests.parts.faulty_ca.rules import Rule, Rules
from tests.parts.faulty_ca.server import FaultyCa
from tests.parts.faulty_ca.wire import Answer, Request

__all__ = [
    "SIGNED",
    "Answer",
    "Delivery",
    "Endpoint",
    "Exchange",
    "Fault",
    "FaultyAuthorities",
    "FaultyCa",
    "Issued",
    "Refusal",
    "RenewalInfo",
    "Request",
    "Rule",
    "Rules",
    "Seen",
    "StartFaultyAuthorities",
    "certificate_id",
    "forging",
    "http_date",
    "usual_window",
]
