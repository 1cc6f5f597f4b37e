from __future__ import annotations

import dataclasses
import datetime

import pytest

from certificates.policy.health import Part, PartStatus
from certificates.policy.warnings import (
    MANUAL_WARNINGS,
    AuthorityFacts,
    CertificateFacts,
    GatewayFacts,
    next_manual_warning,
    of_authorities,
    of_gateway,
    of_parts,
)
from challenges.problems import Problem, Severity

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
FAILURE = Problem("acme-dns", Severity.ERROR, "Let's Encrypt found no address.", ("Add it.",))


def days(count: float) -> datetime.timedelta:
    return datetime.timedelta(days=count)


def certificate(left: float, lifetime: float = 90, *, renewed: bool = True) -> CertificateFacts:
    """With ``left`` days to go."""
    end = NOW + days(left)
    return CertificateFacts(("mx.example.org",), end - days(lifetime), end, renewed)


def facts(**changes: object) -> GatewayFacts:
    """A gateway that nothing is wrong with, but for the changes."""
    healthy = GatewayFacts(
        hostname="mx.example.org",
        names=("mx.example.org",),
        uses_lets_encrypt=True,
        terms_agreed=True,
        certificate=certificate(60),
        next_renewal_at=NOW + days(30),
    )
    return dataclasses.replace(healthy, **changes)  # type: ignore[arg-type]  # facts' own fields


def codes(gateway: GatewayFacts) -> list[str]:
    return [problem.code for problem in of_gateway(gateway, NOW)]


def test_nothing_is_said_of_a_gateway_in_order() -> None:
    assert of_gateway(facts(), NOW) == []


@pytest.mark.parametrize(
    ("lets_encrypt", "agreed", "step"),
    [
        (True, True, "Press Test and obtain certificate"),
        (True, False, "read the terms of service, agree and save"),
        (False, True, "Import a certificate"),
        (False, False, "Import a certificate"),
    ],
)
def test_a_gateway_without_a_certificate_is_told_its_next_step(
    lets_encrypt: bool, agreed: bool, step: str
) -> None:
    gateway = facts(
        certificate=None,
        next_renewal_at=None,
        uses_lets_encrypt=lets_encrypt,
        terms_agreed=agreed,
    )
    (problem,) = of_gateway(gateway, NOW)
    assert (problem.code, problem.severity) == ("no-certificate", Severity.WARNING)
    assert step in problem.remedy[0]


def test_while_the_first_certificate_is_obtained_nothing_is_missing() -> None:
    assert codes(facts(certificate=None, next_renewal_at=None, is_working=True)) == []


def test_a_failure_says_more_than_that_there_is_no_certificate() -> None:
    assert codes(facts(certificate=None, next_renewal_at=None, failure=FAILURE)) == ["acme-dns"]


@pytest.mark.parametrize(
    ("left", "lifetime", "code", "severity"),
    [
        (15, 90, None, None),
        (14.9, 90, "certificate-expires-soon", Severity.WARNING),
        (4, 90, "certificate-expires-soon", Severity.WARNING),
        (3.9, 90, "certificate-expires-soon", Severity.ERROR),
        (0.5, 90, "certificate-expires-soon", Severity.ERROR),
        (0, 90, "certificate-expired", Severity.ERROR),
        (-5, 90, "certificate-expired", Severity.ERROR),
        (90.01, 90, None, None),
        (90.5, 90, "certificate-not-yet-valid", Severity.ERROR),
        # Renewed at half of its life, so it is no news that it is short.
        (2.9, 6, None, None),
        (0.9, 6, "certificate-expires-soon", Severity.ERROR),
    ],
)
def test_a_renewed_certificate_is_warned_of_once_renewal_should_have_happened(
    left: float, lifetime: float, code: str | None, severity: Severity | None
) -> None:
    found = of_gateway(facts(certificate=certificate(left, lifetime)), NOW)
    assert [(item.code, item.severity) for item in found] == ([(code, severity)] if code else [])


@pytest.mark.parametrize(
    ("left", "words", "severity"),
    [
        (30.1, None, None),
        (30, "in 30 days. It is time to order", Severity.WARNING),
        (14.1, "in 14 days. It is time to order", Severity.WARNING),
        (14, "in 14 days. A CA that asks for papers", Severity.WARNING),
        (7.1, "in 7 days. A CA that asks for papers", Severity.WARNING),
        (7, "in 7 days. It is the last week", Severity.WARNING),
        (3.1, "in 3 days. It is the last week", Severity.WARNING),
        (3, "in 3 days. A CA may need longer", Severity.ERROR),
        (1.1, "in 1 day. A CA may need longer", Severity.ERROR),
        (1, "in 1 day. After that other mail servers", Severity.ERROR),
        (0.5, "in less than a day. After that", Severity.ERROR),
    ],
)
def test_a_manual_certificate_is_warned_of_a_month_before(
    left: float, words: str | None, severity: Severity | None
) -> None:
    gateway = facts(
        certificate=certificate(left, 365, renewed=False),
        uses_lets_encrypt=False,
        next_renewal_at=None,
    )
    found = of_gateway(gateway, NOW)
    assert len(found) == (1 if words else 0)
    if words:
        assert words in found[0].explanation
        assert found[0].severity is severity
        assert "Import a new certificate" in found[0].remedy[0]


def test_the_steps_are_those_that_are_promised() -> None:
    assert sorted(MANUAL_WARNINGS, reverse=True) == [30, 14, 7, 3, 1]


@pytest.mark.parametrize("count", MANUAL_WARNINGS)
def test_a_warning_begins_at_the_moment_that_was_announced(count: int) -> None:
    def told(now: datetime.datetime) -> list[str]:
        gateway = facts(certificate=held, uses_lets_encrypt=False, next_renewal_at=None)
        return [problem.explanation.split(". ")[-1] for problem in of_gateway(gateway, now)]

    held = certificate(365, 400, renewed=False)
    before = held.not_after - days(count) - datetime.timedelta(minutes=1)
    announced = next_manual_warning(held.not_after, before)
    assert announced == held.not_after - days(count)
    assert told(announced) != told(before)
    assert next_manual_warning(held.not_after, announced) != announced


@pytest.mark.parametrize("left", [1, 0.5, 0, -1])
def test_after_the_last_warning_none_is_announced(left: float) -> None:
    assert next_manual_warning(NOW + days(left), NOW) is None


@pytest.mark.parametrize("left", [20, 0, -1])
def test_a_manual_certificate_in_use_on_the_way_back_is_replaced_by_the_button(
    left: float,
) -> None:
    gateway = facts(certificate=certificate(left, 365, renewed=False), next_renewal_at=None)
    (problem,) = (each for each in of_gateway(gateway, NOW) if "expire" in each.code)
    assert problem.remedy == ("Press Test and obtain certificate on the gateway's page.",)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, "as soon as that is possible"),
        ({"next_renewal_at": NOW + days(1)}, "after 2026-11-24 12:00 UTC"),
        ({"terms_agreed": False}, "read the terms of service"),
        # The failure is of another time: its pause is over.
        ({"failure": FAILURE}, "as soon as that is possible"),
        ({"failure": FAILURE, "next_renewal_at": NOW + days(1)}, ""),
        ({"is_working": True}, ""),
        ({"is_stopped": True, "next_renewal_at": None}, ""),
        ({"uses_lets_encrypt": False, "next_renewal_at": None}, ""),
        ({"certificate": None, "next_renewal_at": None}, ""),
        ({"certificate": certificate(60)}, ""),
    ],
)
def test_a_way_back_that_has_not_begun_is_told_until_it_has(
    changes: dict[str, object], step: str
) -> None:
    foreign = certificate(300, 365, renewed=False)
    gateway = facts(**{"certificate": foreign, "next_renewal_at": NOW, **changes})
    found = [each for each in of_gateway(gateway, NOW) if each.code == "renewal-not-begun"]
    assert [step in each.remedy[0] for each in found] == ([True] if step else [])


@pytest.mark.parametrize("left", [20, 2, -1])
def test_of_files_that_are_followed_the_tool_is_to_be_looked_at(left: float) -> None:
    gateway = facts(
        certificate=certificate(left, 365, renewed=False),
        uses_lets_encrypt=False,
        next_renewal_at=None,
        followed_path="/etc/ssl/mx.pem",
    )
    (problem,) = of_gateway(gateway, NOW)
    assert "the tool that renews /etc/ssl/mx.pem" in problem.remedy[0]
    assert "import a new certificate" in problem.remedy[1]


def test_followed_files_that_cannot_be_used_are_told() -> None:
    broken = Problem("followed-files-x", Severity.WARNING, "The file is empty.", ("Look.",))
    gateway = facts(followed_path="/etc/ssl/mx.pem", followed_problem=broken)
    assert of_gateway(gateway, NOW) == [broken]


@pytest.mark.parametrize(
    ("wanted", "held", "missing"),
    [
        (("mx.example.org",), ("mx.example.org",), ""),
        (("mx.example.org",), ("*.example.org",), ""),
        (("mx.example.org", "a.example.org"), ("mx.example.org",), "a.example.org"),
        (("a.b.example.org",), ("*.example.org",), "a.b.example.org"),
        (("example.org",), ("*.example.org",), "example.org"),
    ],
)
def test_names_that_the_certificate_does_not_hold_are_told(
    wanted: tuple[str, ...], held: tuple[str, ...], missing: str
) -> None:
    present = dataclasses.replace(certificate(60), names=held)
    found = of_gateway(facts(names=wanted, certificate=present), NOW)
    assert [item.code for item in found] == (["names-not-covered"] if missing else [])
    assert all(item.explanation.endswith(f"hold {missing}.") for item in found)


@pytest.mark.parametrize(
    ("planned", "working", "expected"),
    [
        (NOW - datetime.timedelta(minutes=59), False, []),
        (NOW - datetime.timedelta(minutes=60), False, ["renewal-overdue"]),
        (NOW - datetime.timedelta(minutes=60), True, []),
        (None, False, []),
    ],
)
def test_a_renewal_that_does_not_begin_is_told(
    planned: datetime.datetime | None, working: bool, expected: list[str]
) -> None:
    assert codes(facts(next_renewal_at=planned, is_working=working)) == expected


def test_a_renewal_that_has_stopped_is_told_with_what_to_do() -> None:
    found = of_gateway(facts(failure=FAILURE, is_stopped=True, next_renewal_at=None), NOW)
    assert {item.code for item in found} == {"acme-dns", "renewal-stopped"}
    stopped = next(item for item in found if item.code == "renewal-stopped")
    assert "mx.example.org" in stopped.explanation
    assert stopped.severity is Severity.ERROR


def test_a_rehearsal_that_failed_is_a_warning_about_the_future() -> None:
    failure = dataclasses.replace(FAILURE, remedy=("Add it.", "Then press Try again."))
    (found,) = of_gateway(facts(rehearsal_failure=failure), NOW)
    assert (found.code, found.severity) == ("rehearsal-failed", Severity.WARNING)
    assert FAILURE.explanation in found.explanation
    assert "not affected yet" in found.explanation
    assert found.remedy == ("Add it.", "Then press Rehearse renewal on the gateway's page.")


def test_a_renewal_that_failed_says_what_a_rehearsal_would() -> None:
    assert codes(facts(failure=FAILURE, rehearsal_failure=FAILURE)) == ["acme-dns"]


def test_files_that_are_not_the_certificates_are_told() -> None:
    wrong = Problem("certificate-files-not-written", Severity.ERROR, "The disk is full.", ("Mend",))
    assert codes(facts(files_problem=wrong)) == ["certificate-files-not-written"]


@pytest.mark.parametrize(
    ("away_since", "told"),
    [
        (None, False),
        (NOW - datetime.timedelta(minutes=14, seconds=59), False),
        (NOW - datetime.timedelta(minutes=15), True),
        (NOW - days(7), True),
    ],
)
def test_a_ca_that_has_been_away_for_a_while_is_told(
    away_since: datetime.datetime | None, told: bool
) -> None:
    url = "https://ca.example/directory"
    found = of_authorities([AuthorityFacts("CA", url, away_since, "no route")], None, NOW)
    assert [item.code for item in found] == (["ca-away"] if told else [])
    for item in found:
        assert item.severity is Severity.WARNING
        assert f"since {away_since:%Y-%m-%d %H:%M} UTC" in item.explanation
        assert item.detail == f"{url}\nno route"


def test_a_clock_that_cannot_be_believed_comes_before_the_cas() -> None:
    clock = Problem("clock-implausible", Severity.ERROR, "The clock is wrong.", ("Set it.",))
    away = AuthorityFacts("CA", "https://ca.example/", NOW - days(1))
    assert [item.code for item in of_authorities([away], clock, NOW)] == [
        "clock-implausible",
        "ca-away",
    ]


def test_the_worst_comes_first() -> None:
    present = dataclasses.replace(certificate(-1), names=("other.example.org",))
    gateway = facts(certificate=present, next_renewal_at=NOW - days(2))
    assert codes(gateway) == ["certificate-expired", "names-not-covered", "renewal-overdue"]


@pytest.mark.parametrize("part", Part)
def test_every_part_that_is_down_has_a_remedy_and_no_other_is_told(part: Part) -> None:
    statuses = [PartStatus(item, item is not part, f"About {item}.") for item in Part]
    (problem,) = of_parts(statuses)
    assert problem.code == f"{part.value.replace('_', '-')}-down"
    assert problem.explanation == f"About {part}."
    assert problem.remedy
