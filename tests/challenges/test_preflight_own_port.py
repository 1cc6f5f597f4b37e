"""What the preflight concludes about our own challenge port, and about the chosen scenario."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from django.db import DatabaseError

from challenges import answering, tokens, whereabouts
from challenges.models import ChallengeListener
from challenges.preflight import machine, own_port, own_port_words, processes, scenario
from challenges.preflight.fetching import PATH, Answer, Outcome
from challenges.preflight.lookups import Lookup
from challenges.preflight.machine import Machine
from challenges.preflight.own_port import Probe
from challenges.preflight.report import Fact, Report
from challenges.preflight.resolving import Reply
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity
from tests.challenges.conftest import ChallengeProcess
from tests.challenges.surroundings import NOW, surroundings
from tests.parts.processes import free_port, wait_until

PROBE = Probe("token", "token.authorization")
HERE = socket.gethostname()
LOOPBACK = ipaddress.ip_address("127.0.0.1")
LOOPBACKS = (ipaddress.ip_network("127.0.0.0/8"),)
NOBODY = Machine()


def listener(**facts: object) -> ChallengeListener:
    chosen: dict[str, object] = {
        "host": HERE,
        "addresses": "0.0.0.0,[::]",
        "error": "",
        "port": 8080,
        "wanted_port": 8080,
        "pid": os.getpid(),
        "started_at": NOW,
        "seen_at": NOW,
    }
    return ChallengeListener(**(chosen | facts))


def code_of(problem: Problem | None) -> str:
    return problem.code if problem else ""


OURS = Answer(Outcome.ANSWERED, 200, b"token.authorization\n")
STRANGE = Answer(Outcome.ANSWERED, 200, b"<html>")
SSH = Answer(Outcome.NOT_HTTP, body=b"SSH-2.0-X")
REFUSED, NOTHING, MUTE = (
    Answer(outcome) for outcome in (Outcome.REFUSED, Outcome.SILENT, Outcome.MUTE)
)


@pytest.mark.parametrize(
    ("answer", "known", "code", "severity"),
    [
        (OURS, None, "", None),
        (OURS, listener(), "", None),
        (STRANGE, listener(), "challenge-port-answers-otherwise", Severity.ERROR),
        (SSH, None, "challenge-port-answers-otherwise", Severity.ERROR),
        (REFUSED, None, "challenge-listener-down", Severity.ERROR),
        (NOTHING, None, "challenge-listener-down", Severity.ERROR),
        (REFUSED, listener(), "challenge-port-closed", Severity.ERROR),
        (MUTE, listener(), "challenge-port-closed", Severity.ERROR),
    ],
)
def test_what_our_own_port_answers(
    answer: Answer, known: ChallengeListener | None, code: str, severity: Severity | None
) -> None:
    found = own_port.judge(answer, PROBE, known, surroundings())
    assert code_of(found) == code
    assert (found.severity if found else None) == severity


def test_the_listeners_own_reason_is_the_explanation() -> None:
    known = listener(error="Port 8080 is already in use by nginx (process 812).", port=None)
    problem = own_port.judge(REFUSED, PROBE, known, surroundings())
    assert problem is not None
    assert problem.explanation == known.error


@pytest.mark.parametrize(
    ("known", "address"),
    [
        ((), "127.0.0.1"),
        ((listener(addresses="0.0.0.0,[::]"),), "127.0.0.1"),
        ((listener(addresses="[::]"),), "::1"),
        ((listener(addresses="192.168.0.10"),), "192.168.0.10"),
        ((listener(addresses=""),), "127.0.0.1"),
        ((listener(host="192.168.0.11"),), "192.168.0.11"),
    ],
)
def test_where_our_own_port_is_asked(
    known: tuple[ChallengeListener, ...], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def answer(where: object, *_: object, **__: object) -> Answer:
        asked.append(where)
        return OURS

    monkeypatch.setattr(own_port, "fetch", answer)
    assert check(surroundings(), *known)[0] == []
    assert asked == [ipaddress.ip_address(address)]


class Server:
    """A web server that knows PROBE's token, or nothing, on some address."""

    def __init__(self, address: str = "127.0.0.1", *, knows: bool = True) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                is_known = knows and self.path == PATH + PROBE.token
                self.send_response(200 if is_known else 404)
                self.end_headers()
                self.wfile.write(PROBE.authorization.encode() if is_known else b"")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.stop()


@pytest.fixture
def wide() -> Iterator[Server]:
    started = Server("0.0.0.0")
    yield started
    started.stop()


def check(
    around: Surroundings, *listeners: ChallengeListener, own: Machine = NOBODY
) -> tuple[list[str], Report]:
    report = own_port.check(PROBE, listeners, own, around)
    return [problem.code for problem in report.findings], report


def test_a_port_that_answers_is_established(server: Server) -> None:
    codes, report = check(surroundings(challenge_port=server.port), listener(port=server.port))
    assert codes == []
    assert [known.fact for known in report.established] == [Fact.PORT_SERVED]
    assert str(server.port) in report.established[0].sentence


def test_a_port_that_answers_without_a_report_of_a_process_is_as_good(server: Server) -> None:
    assert check(surroundings(challenge_port=server.port))[0] == []


def test_a_program_that_has_the_port_instead_is_named() -> None:
    stranger = Server(knows=False)
    try:
        codes, report = check(surroundings(challenge_port=stranger.port))
    finally:
        stranger.stop()
    assert codes == ["challenge-port-answers-otherwise"]
    assert f"(process {os.getpid()})" in report.findings[0].explanation


def test_an_old_port_that_is_still_served_is_said_and_stops_nothing(server: Server) -> None:
    known = listener(port=server.port, error="Port 81 needs rights.")
    codes, report = check(surroundings(challenge_port=81), known)
    assert codes == ["challenge-port-not-followed"]
    assert not report.is_fatal
    assert report.findings[0].explanation.endswith("still served. Port 81 needs rights.")


def test_a_challenge_process_of_another_machine_is_asked_there(server: Server) -> None:
    around = surroundings(challenge_port=server.port, public_networks=LOOPBACKS)
    codes, report = check(around, listener(host="127.0.0.1", port=server.port))
    assert codes == []
    assert f"on port {server.port} of 127.0.0.1" in report.established[0].sentence


def test_a_port_of_another_machine_that_is_not_seen_is_no_error_and_shows_no_word_of_it() -> None:
    stranger = Server(knows=False)
    try:
        around = surroundings(challenge_port=stranger.port, public_networks=LOOPBACKS)
        codes, report = check(around, listener(host="127.0.0.1", port=stranger.port))
    finally:
        stranger.stop()
    assert codes == ["challenge-port-not-seen"]
    assert not report.is_fatal
    assert report.findings[0].detail == f"127.0.0.1:{stranger.port}: HTTP 404"


@pytest.mark.parametrize(
    "facts",
    [
        {"host": "127.0.0.1"},
        {"host": "localhost"},
        {"host": "169.254.169.254"},
        {"host": "::ffff:127.0.0.1"},
        {"addresses": "169.254.169.254"},
        {"addresses": "192.0.2.1", "host": "0.0.0.0"},
    ],
)
def test_a_listeners_row_leads_to_no_address_where_no_other_machine_is(
    facts: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_port, "fetch", lambda *_, **__: pytest.fail("it was asked"))
    codes, report = check(surroundings(), listener(**facts))
    assert codes == ["challenge-port-not-seen"]
    assert "not asked" in report.findings[0].detail


def test_a_listeners_row_leads_to_no_port_but_the_wanted_one(server: Server) -> None:
    wanted = free_port()
    around = surroundings(challenge_port=wanted, public_networks=LOOPBACKS)
    own = Machine((LOOPBACK,))
    for host in (HERE, "127.0.0.1"):
        known = listener(host=host, port=server.port, addresses="0.0.0.0")
        codes, report = check(around, known, own=own)
        assert codes == ["challenge-port-not-followed"]
        assert report.established == ()
    assert server.asked == []


def test_another_machine_whose_address_is_unknown_is_no_error() -> None:
    codes, report = check(surroundings(), listener(host="no-such-host.invalid"))
    assert codes == ["challenge-port-not-seen"]
    assert not report.is_fatal


def test_every_challenge_process_is_looked_at(server: Server) -> None:
    around = surroundings(challenge_port=server.port)
    here = listener(port=server.port)
    there = listener(host="no-such-host.invalid", port=server.port)
    assert check(around, here, there)[0] == ["challenge-port-not-seen"]


def test_the_addresses_of_this_machine_are_asked_as_well(wide: Server) -> None:
    own = Machine(tuple(own for own in machine.look().addresses if own.version == 4))
    assert own.addresses, "a machine of the tests has a network"
    around = surroundings(challenge_port=wide.port)
    codes, report = check(around, listener(port=wide.port, addresses="0.0.0.0"), own=own)
    assert codes == []
    assert [known.fact for known in report.established] == [Fact.PORT_SERVED, Fact.PORT_ON_LAN]
    assert all(str(address) in report.established[1].sentence for address in own.addresses)


def test_an_address_at_which_the_port_is_closed_is_named(server: Server) -> None:
    own = Machine((ipaddress.ip_address("127.0.0.9"),))
    known = listener(port=server.port, addresses="0.0.0.0")
    codes, report = check(surroundings(challenge_port=server.port), known, own=own)
    assert codes == ["challenge-port-not-on-lan"]
    assert "127.0.0.9" in report.findings[0].explanation
    assert not report.is_fatal


def test_a_port_on_the_loopback_alone_is_found_but_not_in_a_demonstration(server: Server) -> None:
    own = Machine((ipaddress.ip_address("192.168.0.10"),))
    known = listener(port=server.port, addresses="127.0.0.1")
    around = surroundings(challenge_port=server.port)
    codes, report = check(around, known, own=own)
    assert codes == ["challenge-port-loopback-only"]
    assert "192.168.0.10" in report.findings[0].remedy[0]
    demonstration = surroundings(
        challenge_port=server.port, public_networks=(ipaddress.ip_network("127.0.0.0/8"),)
    )
    assert check(demonstration, known, own=own)[0] == []


def test_a_closed_port_is_said_once() -> None:
    own = Machine((ipaddress.ip_address("127.0.0.9"),))
    port = free_port()
    around = surroundings(challenge_port=port)
    assert check(around, listener(port=port), own=own)[0] == ["challenge-port-closed"]


def test_addresses_that_make_no_sense_cost_no_other_finding(server: Server) -> None:
    own = Machine((ipaddress.ip_address("192.168.0.10"),))
    known = listener(port=server.port, addresses="127.0.0.1,no-address")
    codes, report = check(surroundings(challenge_port=server.port), known, own=own)
    assert codes == []
    assert [fact.fact for fact in report.established] == [Fact.PORT_SERVED]


def answered_by_us(status: int, body: bytes, server: str = "") -> Answer:
    headers = (("server", server),) if server else ()
    return Answer(Outcome.ANSWERED, status, body, headers)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (answered_by_us(503, answering.AWAY.body), "challenge-database-away"),
        (answered_by_us(404, answering.NOT_FOUND.body), "challenge-database-differs"),
        (answered_by_us(503, b"busy"), "challenge-port-answers-otherwise"),
        (answered_by_us(404, b"<h1>404</h1>"), "challenge-port-answers-otherwise"),
        (answered_by_us(404, b"404\n", "nginx"), "challenge-port-answers-otherwise"),
    ],
)
def test_a_challenge_service_that_answers_otherwise_is_no_other_program(
    answer: Answer, code: str
) -> None:
    for known in (None, listener()):
        found = own_port.judge(answer, PROBE, known, surroundings())
        assert found
        assert (found.code, found.severity) == (code, Severity.ERROR)


@pytest.mark.django_db
def test_a_real_challenge_service_of_another_database_is_told_from_one_without_any(
    challenges: ChallengeProcess,
) -> None:
    row = challenges.listener()
    assert row is not None
    around = surroundings(challenge_port=row["port"])
    with own_port.published_probe(NOW) as probe:
        known = listener(port=row["port"], addresses="127.0.0.1")
        report = own_port.check(probe, [known], NOBODY, around)
        assert [found.code for found in report.findings] == ["challenge-database-differs"]

        def is_away() -> bool:
            (found,) = own_port.check(probe, [known], NOBODY, around).findings
            return found.code == "challenge-database-away"

        with challenges.without_database():
            # Until then it reads on in a file that is open.
            wait_until(is_away, "the challenge service says so")


def test_nothing_is_fatal_where_another_machine_has_a_challenge_service() -> None:
    port = free_port()
    around = surroundings(challenge_port=port)
    there = listener(host="no-such-host.invalid", port=port)
    assert check(around, listener(port=port))[1].is_fatal
    codes, report = check(around, listener(port=port), there)
    assert codes == ["challenge-port-closed", "challenge-port-not-seen"]
    assert not report.is_fatal


def test_a_service_whose_reports_are_late_is_not_said_to_be_down() -> None:
    late = listener(host="no-such-host.invalid")
    around = surroundings(challenge_port=free_port())
    assert [p.code for p in unreported(around).findings] == ["challenge-listener-down"]
    report = unreported(around, late)
    (found,) = report.findings
    assert (found.code, found.severity) == ("challenge-listener-silent", Severity.WARNING)
    assert "no-such-host.invalid" in found.explanation
    assert any("clock" in step for step in found.remedy)


def test_a_service_whose_reports_are_late_is_asked_all_the_same(server: Server) -> None:
    around = surroundings(challenge_port=server.port)
    report = unreported(around, listener(host="no-such-host.invalid", port=server.port))
    assert [fact.fact for fact in report.established] == [Fact.PORT_SERVED]
    assert report.findings == ()


def unreported(around: Surroundings, *silent: ChallengeListener) -> Report:
    return own_port.check(PROBE, (), NOBODY, around, silent)


@pytest.mark.django_db
def test_which_processes_are_on_duty_and_which_are_late() -> None:
    late, gone = NOW - datetime.timedelta(seconds=16), NOW - datetime.timedelta(days=2)
    for host, seen_at in (
        *(("there", NOW), ("late", late), ("gone", gone)),
        ("ahead", NOW + datetime.timedelta(hours=1)),
    ):
        listener(host=host, seen_at=seen_at).save()
    assert {row.host for row in processes.listeners_on_duty(NOW)} == {"there", "ahead"}
    assert [row.host for row in processes.silent_elsewhere(NOW)] == ["late"]
    listener(host=HERE, seen_at=late, place="before-a-new-start/1").save()
    assert [row.host for row in processes.silent_elsewhere(NOW)] == ["late"]


def test_another_machine_with_the_same_name_is_another_machine() -> None:
    port = free_port()
    around = surroundings(challenge_port=port)
    codes, report = check(around, listener(port=port, place="another-system/4026531840"))
    assert codes == ["challenge-port-not-seen"]
    assert not report.is_fatal
    boot, _slash, network = whereabouts.place().partition("/")
    assert network, "a system of the tests shows both"
    for place in (f"{boot}/{network}", boot, network, ""):
        assert whereabouts.is_here(listener(place=place)), "a sandbox may hide a part"
    for place in (f"{boot}/1", f"another-system/{network}", "another-system"):
        assert not whereabouts.is_here(listener(place=place))


@pytest.mark.django_db
def test_a_token_that_cannot_be_withdrawn_costs_nothing_that_was_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_tokens: str) -> None:
        raise DatabaseError("the database is locked")

    monkeypatch.setattr(tokens, "withdraw", refuse)
    with own_port.published_probe(NOW) as probe:
        assert probe.token
    assert "could not be withdrawn" in caplog.text


def test_all_sentences_about_our_own_port_are_filled_in() -> None:
    known = listener(host="there")
    for problem in (
        own_port_words.nobody_there(REFUSED, 8123),
        own_port_words.closed(REFUSED, known, 8123),
        own_port_words.silent(known, 8123),
        own_port_words.of_the_service(answered_by_us(503, answering.AWAY.body), 8123),
        own_port_words.of_the_service(answered_by_us(404, answering.NOT_FOUND.body), 8123, "there"),
        own_port_words.another_program(REFUSED, 8123),
        own_port_words.not_followed(known, 8123),
        own_port_words.not_seen(REFUSED, known),
        own_port_words.not_on_network([(LOOPBACK, REFUSED)], 8123),
        own_port_words.loopback_only([LOOPBACK], 8123, LOOPBACK),
        own_port_words.too_slow(8123),
    ):
        assert problem
        assert "%(" not in " ".join((problem.explanation, *problem.remedy))
        assert problem.explanation.endswith(".")
        assert problem.remedy


PRIVATE = Machine((ipaddress.ip_address("192.168.0.10"),))
PUBLIC = Machine((ipaddress.ip_address("198.41.0.4"), ipaddress.ip_address("10.0.0.1")))


@pytest.mark.parametrize(
    ("chosen", "own", "codes", "says"),
    [
        ("lan", PRIVATE, [], "192.168.0.10"),
        ("lan", PUBLIC, [], "10.0.0.1"),
        ("external", PUBLIC, [], "198.41.0.4"),
        ("external", PRIVATE, ["scenario-only-private"], ""),
        ("lan", NOBODY, ["machine-no-address"], ""),
    ],
)
def test_the_scenario_is_compared_with_this_machines_addresses(
    chosen: str, own: Machine, codes: list[str], says: str
) -> None:
    report = scenario.check((), own, surroundings(scenario=chosen))
    assert [problem.code for problem in report.findings] == codes
    assert [known.fact for known in report.established] == ([Fact.MACHINE_ADDRESS] if says else [])
    assert not says or says in report.established[0].sentence
    assert not report.is_fatal


def test_of_another_machines_addresses_nothing_is_said() -> None:
    there = (listener(host="responder"),)
    assert scenario.check(there, PRIVATE, surroundings(scenario="external")) == Report()


def test_a_name_that_leads_to_this_machines_own_public_address_needs_no_router(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = ipaddress.ip_address("198.41.0.4")
    monkeypatch.setattr(machine, "is_own", lambda asked: asked == address)
    looked_up = [Lookup("mail.example.de", (Reply((address,)),))]
    (found,) = scenario.contradictions(looked_up, surroundings(challenge_port=80)).findings
    assert (found.code, found.severity) == ("scenario-no-router", Severity.INFO)
    (found,) = scenario.contradictions(looked_up, surroundings(challenge_port=8123)).findings
    assert found.severity is Severity.WARNING
    assert "Set the challenge port to 80" in found.remedy[1]
    assert scenario.contradictions(looked_up, surroundings(scenario="external")) == Report()


def test_a_private_address_in_the_dns_is_no_contradiction() -> None:
    own = [address for address in machine.look().addresses if not address.is_global]
    looked_up = [Lookup("mail.example.de", (Reply(tuple(own)),))]
    assert scenario.contradictions(looked_up, surroundings()) == Report()
