"""Whoever answers in place of a DNS server that does not exist answers in place of others, too."""

from __future__ import annotations

import pytest

from challenges.preflight import interception
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.resolvers import Server
from challenges.problems import Problem, Severity
from tests.parts.zones import Fault, ZoneServer

NAME = "mx.shop.de"
PUBLIC = (Server("9.9.9.9", 53, "9.9.9.9"), Server("1.1.1.1", 53, "1.1.1.1"))


@pytest.mark.parametrize("fault", ["", Fault.NXDOMAIN, Fault.SERVFAIL, Fault.REFUSED])
def test_any_answer_from_nobody_is_an_interception(fault: str) -> None:
    with ZoneServer() as server:
        server.set(NAME, A="192.168.7.9")
        if fault:
            server.fail(NAME, fault)
        nobody = Server(server.host, server.port, server.address)
        assert interception.happens(NAME, nobody=nobody, seconds=5)


def test_silence_is_none() -> None:
    with ZoneServer() as server:
        server.fail(NAME, Fault.SILENT)
        nobody = Server(server.host, server.port, server.address)
        assert not interception.happens(NAME, nobody=nobody, seconds=0.2)
        assert server.asked


def test_only_what_leaves_the_network_can_be_intercepted() -> None:
    inside = (Server("127.0.0.1", 5300, "127.0.0.1:5300"), Server("10.0.0.53", 53, "10.0.0.53"))
    assert not interception.is_possible(inside)
    assert not interception.is_possible(())
    assert interception.is_possible((*inside, *PUBLIC))


def test_no_error_remains_certain() -> None:
    error, known = (
        Problem(code="address-private", severity=severity, explanation="It is so.")
        for severity in (Severity.ERROR, Severity.INFO)
    )
    established = (Established(Fact.CAA_ALLOWS, "It does."),)
    doubted = interception.doubted(Report((error, known), established), PUBLIC)
    assert [(each.code, each.severity) for each in doubted.findings] == [
        ("dns-intercepted", Severity.WARNING),
        ("address-private", Severity.WARNING),
        ("address-private", Severity.INFO),
    ]
    assert doubted.established == established
    assert not doubted.is_fatal
    first = doubted.findings[0]
    assert "9.9.9.9, 1.1.1.1" in first.explanation
    assert "port 53" in first.remedy[0]
