"""The steps of the guidance for each scenario, and which of them a Problem is about. Pure."""

from __future__ import annotations

import enum

from certificates.policy.acme_document import kebab
from certificates.policy.acme_kinds import FAMILIES, TYPE_FAMILIES, Family


class Step(enum.StrEnum):
    """What has to be so before a CA can validate the names, in either scenario."""

    ROUTER_ADDRESS = "router-address"
    LAN_ADDRESS = "lan-address"
    PORT_FORWARDING = "port-forwarding"
    PUBLIC_ADDRESS = "public-address"
    FIREWALL = "firewall"
    PUBLIC_DNS = "public-dns"
    LOCAL_DNS = "local-dns"
    NAMES = "names"
    CHALLENGE_PORT = "challenge-port"
    CAA = "caa"
    AUTHORITY = "authority"
    CLOCK = "clock"
    STORAGE = "storage"
    ORDERS = "orders"

    @property
    def anchor(self) -> str:
        """Its place on the page: the same for what is the same thing in both scenarios."""
        return _ANCHORS.get(self, self.value)


_ANCHORS = {
    Step.PORT_FORWARDING: "way-in",
    Step.FIREWALL: "way-in",
    Step.ROUTER_ADDRESS: "public-address",
}
LAN, EXTERNAL = "lan", "external"
# In the order in which they are carried out.
STEPS = {
    LAN: (
        Step.ROUTER_ADDRESS,
        Step.LAN_ADDRESS,
        Step.PORT_FORWARDING,
        Step.PUBLIC_DNS,
        Step.LOCAL_DNS,
    ),
    EXTERNAL: (Step.PUBLIC_ADDRESS, Step.FIREWALL, Step.PUBLIC_DNS),
}
# What nobody has to do where all is well, and the preflight looks at as well.
CHECKS = (
    Step.NAMES,
    Step.CAA,
    Step.CHALLENGE_PORT,
    Step.AUTHORITY,
    Step.CLOCK,
    Step.STORAGE,
    Step.ORDERS,
)

_WAY_IN = (Step.PORT_FORWARDING, Step.FIREWALL)
_ADDRESS = (Step.ROUTER_ADDRESS, Step.PUBLIC_ADDRESS)
_DNS = (Step.PUBLIC_DNS, Step.PUBLIC_DNS)
_CAA = (Step.CAA, Step.CAA)
_NAMES = (Step.NAMES, Step.NAMES)
_ORDERS = (Step.ORDERS, Step.ORDERS)
# What a CA says of a validation, by how far the validation came.
_OF_FAMILY = {
    Family.CONNECT: _WAY_IN,
    Family.ANSWER: _WAY_IN,
    Family.EITHER: _WAY_IN,
    Family.REDIRECT: _WAY_IN,
    Family.CONTENT: _WAY_IN,
    Family.DNS: _DNS,
    Family.CAA: _CAA,
}
_OF_VALIDATION = {
    **{f"acme-{kebab(word)}": _OF_FAMILY[family] for word, family in TYPE_FAMILIES.items()},
    **{f"acme-{kind}": _OF_FAMILY[family] for kind, family in FAMILIES.items()},
}
# How the code of any other Problem begins, and the step it belongs to behind a router and without
# one. The longest beginning decides.
BY_CODE: dict[str, tuple[Step, Step]] = {
    "hostname-": _NAMES,
    "clock-": (Step.CLOCK, Step.CLOCK),
    "dns-": _DNS,
    "dns-local": (Step.LOCAL_DNS, Step.PUBLIC_DNS),
    "address-": _DNS,
    "address-carrier-nat": _ADDRESS,
    "addresses-": _DNS,
    "machine-no-address": (Step.LAN_ADDRESS, Step.PUBLIC_ADDRESS),
    "caa-": _CAA,
    "scenario-": _ADDRESS,
    "public-port-": _WAY_IN,
    # Let's Encrypt tries IPv6 first, so what is wrong there closes the way in.
    "ipv6-": _WAY_IN,
    "challenge-": (Step.CHALLENGE_PORT, Step.CHALLENGE_PORT),
    "challenge-port-not-public": (Step.CHALLENGE_PORT, Step.FIREWALL),
    "directory-": (Step.AUTHORITY, Step.AUTHORITY),
    "disk-": (Step.STORAGE, Step.STORAGE),
    "data-directory-": (Step.STORAGE, Step.STORAGE),
    "rate-budget-": _ORDERS,
    "automatic-attempts-": _ORDERS,
    "renewal-": _ORDERS,
    "ca-": _ORDERS,
    "acme-perspective-failed": _WAY_IN,
    "acme-name-": _NAMES,
    "acme-too-many-names": _NAMES,
    "acme-rejected-identifier": _NAMES,
    "acme-unsupported-identifier": _NAMES,
    "acme-limit-": _ORDERS,
    "acme-rate-limited": _ORDERS,
    "acme-paused": _ORDERS,
    "acme-busy": _ORDERS,
}


def step_of(code: str, scenario: str) -> Step | None:
    """The step of that scenario that a Problem of this code is about; None for all others."""
    steps = _OF_VALIDATION.get(code) or _by_beginning(code)
    if steps is None:
        return None
    behind_router, without = steps
    return behind_router if scenario == LAN else without


def _by_beginning(code: str) -> tuple[Step, Step] | None:
    known = [beginning for beginning in BY_CODE if code.startswith(beginning)]
    return BY_CODE[max(known, key=len)] if known else None


def anchor_of(code: str) -> str:
    """The anchor of the step that a Problem of this code is about; empty where there is none."""
    step = step_of(code, LAN)
    return step.anchor if step else ""
