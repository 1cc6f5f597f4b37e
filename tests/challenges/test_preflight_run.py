"""The whole preflight, with the real challenge process, DNS and ACME servers around it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from challenges import preflight
from challenges.preflight import Report, Surroundings, directory, dns, scenario
from challenges.preflight.lookups import Lookup
from challenges.problems import Problem, Severity
from tests.challenges.conftest import ROOT, ChallengeProcess
from tests.challenges.surroundings import surroundings
from tests.parts.dns import DnsServer
from tests.parts.pebble import TestAuthorities
from tests.parts.processes import free_port

# Run as the worker would: another process on the same database as the challenge process.
SCRIPT = """
import json, sys, time
import django
django.setup()
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from challenges import preflight
from challenges.models import ChallengeToken
facts = json.load(sys.stdin)
around = preflight.Surroundings(
    hostnames=tuple(facts["hostnames"]), scenario=facts["scenario"],
    challenge_port=facts["challenge_port"], dns_servers=tuple(facts["dns_servers"]),
    public_networks=tuple(map(ip_network, facts["public_networks"])),
    directory_urls=tuple(facts["directory_urls"]), ca_bundle=Path(facts["ca_bundle"]),
    now=datetime.now(tz=UTC), public_port=facts["public_port"],
)
preflight.run(around)  # the imports and the first connection are not the preflight's time
steps = []
started = time.perf_counter()
report = preflight.run(around, progress=lambda *step: steps.append(step))
seconds = time.perf_counter() - started
left = ChallengeToken.objects.filter(key_authorization__endswith=".preflight").count()
json.dump({"findings": [f.to_json() for f in report.findings], "seconds": seconds,
           "facts": [e.fact.value for e in report.established], "steps": steps, "left": left},
          sys.stdout)
"""

# Everything that the process connects to by TCP, as Python itself reports it.
WATCHED = """
import json, sys
import django
django.setup()
import socket
from ipaddress import ip_address, ip_network
from challenges.preflight import reach
from challenges.preflight.lookups import Lookup
from challenges.preflight.resolving import Reply
from challenges.preflight.own_port import Probe
from tests.challenges.surroundings import surroundings
connected = []
def watch(event, args):
    if event == "socket.connect" and args[0].type == socket.SOCK_STREAM:
        connected.append(args[1][:2])
    assert event != "socket.getaddrinfo", args
sys.addaudithook(watch)
facts = json.load(sys.stdin)
around = surroundings(scenario=facts["scenario"], public_port=facts["port"],
                      public_networks=(ip_network("127.0.0.1/32"),))
found = Lookup("rebinding.test", (Reply(tuple(map(ip_address, facts["addresses"]))),))
reach.check([found], Probe("token", "token.preflight"), (), around)
json.dump(connected, sys.stdout)
"""


@dataclass
class Run:
    """What a preflight in another process came to."""

    codes: list[str]
    findings: list[dict[str, Any]]
    seconds: float
    facts: list[str]
    steps: list[list[Any]]
    left: int


class Preflight:
    """Runs the preflight for a gateway for which all is well, unless a fact says otherwise."""

    def __init__(self, process: ChallengeProcess, dns: str, acme: TestAuthorities) -> None:
        self.process = process
        row = process.listener()
        assert row is not None
        self.facts: dict[str, Any] = {
            "hostnames": ["gateway.test", "mail.test"],
            "scenario": "lan",
            "challenge_port": row["port"],
            "public_port": row["port"],
            "dns_servers": [dns],
            "public_networks": ["127.0.0.0/8"],
            "directory_urls": [acme.staging.directory_url, acme.production.directory_url],
            "ca_bundle": str(acme.https.bundle),
        }

    def run(self, **facts: Any) -> Run:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(self.facts | facts).encode(),
            env=self.process.environ,
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        result = json.loads(done.stdout)
        return Run(codes=[finding["code"] for finding in result["findings"]], **result)


@pytest.fixture
def gateway(
    challenges: ChallengeProcess, dns: DnsServer, authorities: TestAuthorities
) -> Preflight:
    return Preflight(challenges, dns.address, authorities)


def test_where_all_is_well_nothing_is_found_and_quickly(gateway: Preflight) -> None:
    run = gateway.run()
    assert run.codes == []
    assert run.left == 0
    assert [step[:2] for step in run.steps] == [[1, 3], [2, 3], [3, 3]]
    assert run.seconds < 0.8, "tens of milliseconds on an idle machine"
    assert set(run.facts) >= {"names-usable", "machine-address", "port-served", "dns-public"}
    assert set(run.facts) >= {"ca-reachable", "clock-right"}


def test_nothing_is_found_without_a_router_either(gateway: Preflight) -> None:
    assert set(gateway.run(scenario="external").codes) <= {"scenario-only-private"}


def test_a_missing_rule_of_the_router_is_found_but_no_certainty(gateway: Preflight) -> None:
    run = gateway.run(public_port=free_port(), hostnames=["gateway.test"])
    assert run.codes == ["public-port-refuses"]
    assert run.findings[0]["severity"] == "info"
    port = gateway.facts["challenge_port"]
    assert f"to port {port} of this machine" in run.findings[0]["remedy"][0]


def test_a_challenge_port_that_is_still_another_is_found(gateway: Preflight) -> None:
    run = gateway.run(challenge_port=free_port(), public_port=free_port())
    assert run.codes[0] == "challenge-port-not-followed"


def test_a_stopped_challenge_process_is_found_and_the_public_port_not_asked(
    gateway: Preflight,
) -> None:
    gateway.process.process.stop()
    run = gateway.run()
    assert run.codes == ["challenge-port-closed"], "its last report is still fresh"
    assert [step[0] for step in run.steps] == [1, 2]


def test_missing_records_are_found(gateway: Preflight, dns: DnsServer) -> None:
    dns.set_default("")
    assert gateway.run().codes == ["dns-no-address", "dns-no-address"]


def test_private_addresses_are_found_and_not_connected_to(
    gateway: Preflight, dns: DnsServer
) -> None:
    dns.set_addresses("gateway.test", "192.168.255.254")
    run = gateway.run(hostnames=["gateway.test"])
    assert run.codes == ["address-private"]
    assert run.seconds < 1


def test_an_authority_that_cannot_be_reached_is_found(gateway: Preflight) -> None:
    run = gateway.run(directory_urls=[f"https://127.0.0.1:{free_port()}/dir"])
    assert run.codes == ["directory-refused"]


def test_all_of_a_block_is_found_in_one_run_and_in_its_order(
    gateway: Preflight, dns: DnsServer
) -> None:
    dns.set_failing("gateway.test")
    gateway.process.process.stop()
    run = gateway.run(hostnames=["gateway.test"], directory_urls=["http://ca.test"])
    assert run.codes == ["dns-server-failure", "challenge-port-closed", "directory-not-https"]


def test_a_name_that_cannot_be_public_ends_it_before_anybody_is_asked(gateway: Preflight) -> None:
    run = gateway.run(hostnames=["*.test"])
    assert run.codes == ["hostname-wildcard"]
    assert [step[0] for step in run.steps] == [1]


@pytest.mark.parametrize("scenario", ["lan", "external"])
def test_whatever_the_dns_says_it_connects_to_nothing_that_is_not_public(
    challenges: ChallengeProcess, scenario: str
) -> None:
    row = challenges.listener()
    assert row is not None
    hostile = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "127.0.0.2", "::1", "0.0.0.0"]
    hostile += ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "224.0.0.1", "10.0.0.1"]
    facts = {"scenario": scenario, "port": row["port"], "addresses": [*hostile, "127.0.0.1"]}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        input=json.dumps(facts).encode(),
        env=challenges.environ,
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [["127.0.0.1", row["port"]]]


def found(code: str, severity: Severity = Severity.WARNING) -> Report:
    return Report((Problem(code, severity, "A sentence."),))


def no_records(_names: Sequence[str], _around: Surroundings) -> tuple[Report, tuple[Lookup, ...]]:
    return Report(), ()


@pytest.mark.django_db
def test_a_defect_in_a_check_is_a_finding_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defective(_surroundings: object) -> Report:
        raise RuntimeError("a defect")

    monkeypatch.setattr(directory, "check", defective)
    monkeypatch.setattr(dns, "check", no_records)
    report = preflight.run(surroundings(challenge_port=free_port()))
    assert [p.code for p in report.findings] == ["challenge-listener-down", "preflight-incomplete"]
    assert report.findings[-1].detail == "RuntimeError: a defect"
    assert "A check of the preflight failed" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("where", [(dns, "check"), (directory, "check"), (scenario, "check")])
def test_a_check_that_hangs_for_ever_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, where: tuple[object, str]
) -> None:
    over = threading.Event()
    monkeypatch.setattr(dns, "check", no_records)
    monkeypatch.setattr(*where, lambda *_asked: over.wait(60))
    started = time.monotonic()
    report = preflight.run(surroundings(challenge_port=free_port()), seconds=1)
    assert time.monotonic() - started < 3
    assert "preflight-incomplete" in [p.code for p in report.findings]
    over.set()


@pytest.mark.django_db
def test_a_fatal_finding_ends_it_after_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "check", lambda *_asked: found("fatal", Severity.ERROR))
    monkeypatch.setattr(dns, "check", lambda *_asked: pytest.fail("the next block was begun"))
    report = preflight.run(surroundings())
    assert [p.code for p in report.findings] == ["fatal"]


@pytest.mark.django_db
def test_a_warning_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "check", lambda *_asked: found("harmless"))
    monkeypatch.setattr(dns, "check", lambda *_asked: (found("of-the-dns"), ()))
    report = preflight.run(surroundings(challenge_port=free_port()))
    assert [p.code for p in report.findings][:2] == ["harmless", "of-the-dns"]


@pytest.mark.django_db
def test_whoever_watches_cannot_stop_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def watch(_step: int, _of: int, _sentence: str) -> None:
        raise RuntimeError("nobody looks")

    monkeypatch.setattr(dns, "check", no_records)
    report = preflight.run(surroundings(challenge_port=free_port()), progress=watch)
    assert [p.code for p in report.findings] == ["challenge-listener-down"]
    assert "could not be shown" in caplog.text


def test_without_a_database_it_is_said_and_nothing_is_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # pytest-django refuses the database to a test that has not asked for it.
    report = preflight.run(surroundings())
    assert [p.code for p in report.findings] == ["preflight-incomplete"]
    assert caplog.records
