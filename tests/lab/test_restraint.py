"""The preflight cannot be turned against others: where it connects to, seen by the kernel.

A zone says where; nothing is opened but port 80 of the public addresses of the gateway's own names.
"""

from __future__ import annotations

import pytest

from tests.lab import authority
from tests.lab.network import GATEWAY, GATEWAY_6, LAN, NAS, ROUTER, ROUTER_LAN, Router
from tests.lab.rows import NAME, at
from tests.lab.stage import Lab
from tests.lab.strangers import Stranger
from tests.lab.web_servers import address_of, port_of
from tests.parts.zones import Zone

pytestmark = pytest.mark.slow

# Its own challenge port, by every way that leads there without leaving the machine, and the CA.
ALWAYS = {
    *((address, 8080) for address in ("127.0.0.1", "::1", GATEWAY, GATEWAY_6)),
    (authority.ADDRESS, 443),
}


def connections(lab: Lab, public: Zone, router: Router) -> set[tuple[str, int]]:
    """Where a preflight connects to, besides where it always does."""
    lab.set_router(router)
    lab.set_zones(public)
    with lab.gateway.watched() as seen:
        lab.gateway.preflight([NAME])
        found = seen()
    assert found & ALWAYS
    return found - ALWAYS


def test_it_connects_to_port_80_of_the_public_address(lab: Lab) -> None:
    assert connections(lab, at(ROUTER), Router()) == {(ROUTER, 80)}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "169.254.169.254", "192.0.2.10", "100.64.0.1", ROUTER_LAN, NAS, GATEWAY),
        *("0.0.0.0", "255.255.255.255"),
        *("::1", "fe80::1", "fd00:178::1", "::ffff:192.168.178.20"),
    ],
)
def test_it_connects_to_no_address_that_is_not_public(lab: Lab, address: str) -> None:
    assert connections(lab, at(address), Router()) == set()
    # Nor beside one that is.
    assert connections(lab, at(ROUTER, address), Router()) == {(ROUTER, 80)}


@pytest.mark.parametrize(
    "stranger",
    [Stranger.TO_HTTPS, Stranger.TO_ELSEWHERE, Stranger.TO_OTHER_PORT, Stranger.TO_ITSELF],
)
def test_it_follows_no_redirect(lab: Lab, stranger: Stranger) -> None:
    zone = at(ROUTER)
    zone.records["www.elsewhere-kontor.de"] = {"A": [address_of(Stranger.PARKING_PAGE)]}
    assert connections(lab, zone, Router(forward=port_of(stranger))) == {(ROUTER, 80)}


def test_it_asks_few_of_many_addresses(lab: Lab) -> None:
    many = [f"5.9.20.{number}" for number in range(100, 160)]
    opened = connections(lab, at(*many), Router())
    assert 0 < len(opened) <= 16
    assert {port for _address, port in opened} == {80}
    assert all(address in many for address, _port in opened)
    assert LAN.partition("/")[0] not in str(opened)
