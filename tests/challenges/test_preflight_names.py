"""Which names the preflight takes for names that a CA certifies."""

from __future__ import annotations

import ipaddress

import pytest

from challenges.preflight import names
from challenges.preflight.report import Fact
from challenges.problems import Severity
from tests.challenges.surroundings import surroundings

DEMONSTRATION = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mail.example.de", ""),
        ("mail.xn--bcher-kva.de", ""),
        ("example.co.uk", ""),
        ("gateway.duckdns.org", ""),
        ("duckdns.org", ""),
        ("mail.example.com", "hostname-not-public"),
        ("mail.corp.local", "hostname-not-public"),
        ("mail.internal", "hostname-not-public"),
        ("mail.invalid", "hostname-not-public"),
        ("gateway.test", "hostname-not-public"),
        ("mail.home.arpa", "hostname-not-public"),
        ("mail.onion", "hostname-not-public"),
        ("localhost", "hostname-single-label"),
        ("*.example.de", "hostname-wildcard"),
        ("192.0.2.1", "hostname-is-address"),
        ("2001:db8::1", "hostname-is-address"),
        ("my_mail.example.de", "hostname-underscore"),
        ("co.uk", "hostname-public-suffix"),
        ("shop.ck", "hostname-public-suffix"),
        ("mail.example.fritzbox", "hostname-unknown-ending"),
        ("a.b.c.d.e.f.g.h.example.de", ""),
        ("a.b.c.d.e.f.g.h.i.example.de", "hostname-too-many-parts"),
    ],
)
def test_names_that_cannot_be_certified_are_found(name: str, code: str) -> None:
    problem = names.judge(name, plays_the_internet=False)
    assert (problem.code if problem else "") == code
    if problem:
        assert name in problem.explanation


@pytest.mark.parametrize("name", ["mail.example.newtld", "a.b.c.d.e.f.g.h.i.example.de"])
def test_what_only_the_ca_can_know_is_no_error(name: str) -> None:
    problem = names.judge(name, plays_the_internet=False)
    assert problem
    assert problem.severity is Severity.WARNING


def test_reserved_names_are_the_point_of_a_demonstration() -> None:
    around = surroundings(hostnames=("gateway.test",), public_networks=DEMONSTRATION)
    assert names.check(around).findings == ()


@pytest.mark.parametrize(
    ("is_lets_encrypt", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)]
)
def test_a_reserved_name_is_only_a_warning_where_a_ca_of_ones_own_may_certify_it(
    is_lets_encrypt: bool, severity: Severity
) -> None:
    around = surroundings(hostnames=("gw.corp.internal",), asks_only_lets_encrypt=is_lets_encrypt)
    (found,) = names.check(around).findings
    assert (found.code, found.severity) == ("hostname-not-public", severity)
    assert any("your own" in step for step in found.remedy) is (severity is Severity.WARNING)


def test_names_without_findings_are_established() -> None:
    report = names.check(surroundings(hostnames=("mail.shop.de", "mx.shop.de")))
    assert [each.fact for each in report.established] == [Fact.NAMES_USABLE]
    assert "mail.shop.de and mx.shop.de" in report.established[0].sentence


def test_one_name_that_cannot_be_certified_leaves_nothing_established() -> None:
    report = names.check(surroundings(hostnames=("mail.shop.de", "mail.local")))
    assert [finding.code for finding in report.findings] == ["hostname-not-public"]
    assert report.is_fatal
    assert report.established == ()
