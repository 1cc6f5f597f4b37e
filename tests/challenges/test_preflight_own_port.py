"""What the preflight concludes about our own challenge port, and about the chosen scenario."""

from __future__ import annotations

import http.server
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from challenges.models import ChallengeListener
from challenges.preflight import machine, own_port, responder, scenario
from challenges.preflight.dns import Lookup, Reply
from challenges.preflight.fetching import PATH, Answer, Outcome
from challenges.preflight.machine import Machine
from challenges.preflight.report import Fact, Report
from challenges.preflight.responder import Probe
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity
from tests.challenges.surroundings import surroundings
from tests.parts.processes import free_port

PROBE = Probe("token", "token.authorization")
HERE = socket.gethostname()
LOOPBACK = ipaddress.ip_address("127.0.0.1")
NOBODY = Machine()


def listener(**facts: object) -> ChallengeListener:
    chosen: dict[str, object] = {
        "host": HERE,
        "addresses": "0.0.0.0,[::]",
        "error": "",
        "port": 8080,
        "wanted_port": 8080,
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
        (REFUSED, listener(host="elsewhere"), "challenge-port-not-seen", Severity.WARNING),
        (STRANGE, listener(host="elsewhere"), "challenge-port-not-seen", Severity.WARNING),
    ],
)
def test_what_our_own_port_answers(
    answer: Answer, known: ChallengeListener | None, code: str, severity: Severity | None
) -> None:
    found = responder.judge(answer, PROBE, known, surroundings())
    assert code_of(found) == code
    assert (found.severity if found else None) == severity


def test_the_listeners_own_reason_is_the_explanation() -> None:
    known = listener(error="Port 8080 is already in use by nginx (process 812).", port=None)
    problem = responder.judge(REFUSED, PROBE, known, surroundings())
    assert problem is not None
    assert problem.explanation == known.error


@pytest.mark.parametrize(
    ("host", "bound", "address"),
    [
        (HERE, "0.0.0.0,[::]", "127.0.0.1"),
        (HERE, "[::]", "::1"),
        (HERE, "192.168.0.10", "192.168.0.10"),
        (HERE, "", "127.0.0.1"),
        ("responder", "0.0.0.0,[::]", "responder"),
    ],
)
def test_where_our_own_port_is_asked(host: str, bound: str, address: str) -> None:
    assert responder.address_of(listener(host=host, addresses=bound)) == address
    assert responder.address_of(None) == "127.0.0.1"


class Server:
    """A web server that knows PROBE's token, or nothing, on some address."""

    def __init__(self, address: str = "127.0.0.1", *, knows: bool = True) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
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
    report = responder.check(PROBE, listeners, own, around)
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
    around = surroundings(challenge_port=server.port)
    codes, report = check(around, listener(host="localhost", port=server.port))
    assert codes == []
    assert f"on port {server.port} of localhost" in report.established[0].sentence


def test_another_machine_whose_address_is_unknown_is_no_error() -> None:
    codes, report = check(surroundings(), listener(host="no-such-host.invalid"))
    assert codes == ["challenge-port-not-seen"]
    assert not report.is_fatal


def test_every_challenge_process_is_looked_at(server: Server) -> None:
    around = surroundings(challenge_port=server.port)
    here, there = listener(port=server.port), listener(host="no-such-host.invalid")
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


def test_all_sentences_about_our_own_port_are_filled_in() -> None:
    known = listener(host="there")
    for problem in (
        own_port.nobody_there(REFUSED, 8123),
        own_port.closed(REFUSED, known, 8123),
        own_port.another_program(REFUSED, 8123),
        own_port.not_followed(known, 8123),
        own_port.not_seen(REFUSED, known),
        own_port.not_on_network([(LOOPBACK, REFUSED)], 8123),
        own_port.loopback_only([LOOPBACK], 8123, LOOPBACK),
        own_port.too_slow(8123),
    ):
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
