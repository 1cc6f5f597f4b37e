"""The whole preflight, with the real challenge process, DNS and ACME servers around it."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from challenges import preflight
from challenges.preflight import directory
from tests.challenges.conftest import ROOT, ChallengeProcess
from tests.challenges.surroundings import BUILT, surroundings
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
    now=datetime.now(tz=UTC), built_at=datetime(2026, 11, 1, tzinfo=UTC),
    public_port=facts["public_port"],
)
preflight.run(around)  # the imports and the first connection are not the preflight's time
steps = []
started = time.perf_counter()
findings = preflight.run(around, progress=steps.append)
seconds = time.perf_counter() - started
left = ChallengeToken.objects.filter(key_authorization__endswith=".preflight").count()
json.dump({"findings": [f.to_json() for f in findings], "seconds": seconds, "steps": steps,
           "left": left}, sys.stdout)
"""


@dataclass
class Run:
    """What a preflight in another process came to."""

    codes: list[str]
    findings: list[dict[str, Any]]
    seconds: float
    steps: list[str]
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
    assert len(run.steps) == 3
    assert run.seconds < 0.5, "tens of milliseconds on an idle machine"


def test_nothing_is_found_without_a_router_either(gateway: Preflight) -> None:
    assert gateway.run(scenario="external").codes == []


def test_a_missing_rule_of_the_router_is_found(gateway: Preflight) -> None:
    run = gateway.run(public_port=free_port(), hostnames=["gateway.test"])
    assert run.codes == ["public-port-refuses"]
    port = gateway.facts["challenge_port"]
    assert f"to port {port} of this machine" in run.findings[0]["remedy"][0]


def test_a_challenge_port_that_is_closed_is_found_and_the_public_one_is_not_asked(
    gateway: Preflight,
) -> None:
    run = gateway.run(challenge_port=free_port(), public_port=free_port())
    assert run.codes == ["challenge-port-closed"]


def test_a_stopped_challenge_process_is_found(gateway: Preflight) -> None:
    gateway.process.process.stop()
    assert gateway.run().codes == ["challenge-port-closed"], "its last report is still fresh"


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


def test_everything_wrong_at_once_is_a_list_in_the_order_of_the_blocks(
    gateway: Preflight, dns: DnsServer
) -> None:
    dns.set_failing("gateway.test")
    run = gateway.run(
        hostnames=["gateway.test"], challenge_port=free_port(), directory_urls=["http://ca.test"]
    )
    assert run.codes == ["dns-server-failure", "challenge-port-closed", "directory-not-https"]


def test_a_name_that_cannot_be_public_is_not_looked_up(gateway: Preflight) -> None:
    assert gateway.run(hostnames=["*.test"]).codes == ["hostname-wildcard"]


@pytest.mark.django_db
def test_a_wrong_clock_does_not_hide_the_rest() -> None:
    around = surroundings(now=BUILT - timedelta(days=1), challenge_port=free_port())
    codes = [problem.code for problem in preflight.run(around)]
    assert codes == ["clock-before-build", "dns-timeout", "challenge-listener-down"]


@pytest.mark.django_db
def test_a_defect_in_a_check_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defective(_surroundings: object) -> list[object]:
        raise RuntimeError("a defect")

    monkeypatch.setattr(directory, "check", defective)
    around = surroundings(
        now=datetime.now(tz=UTC),
        challenge_port=free_port(),
        public_networks=(ipaddress.ip_network("127.0.0.0/8"),),
    )
    problems = preflight.run(around)
    assert [p.code for p in problems] == [
        "dns-timeout",
        "challenge-listener-down",
        "preflight-incomplete",
    ]
    assert problems[-1].detail == "RuntimeError: a defect"
    assert "A check of the preflight failed" in caplog.text


def test_without_a_database_it_is_said_and_nothing_is_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # pytest-django refuses the database to a test that has not asked for it.
    assert [p.code for p in preflight.run(surroundings())] == ["preflight-incomplete"]
    assert caplog.records
