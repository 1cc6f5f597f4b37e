"""The demo's CAs, DNS server and router for real, whole and with each fault."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import requests
from acme import messages
from cryptography.x509.oid import NameOID

from gateway_admin.demo import settings_file
from gateway_admin.launch.options import Fault
from tests.demo.surroundings import StartDemo, request_for
from tests.parts.processes import wait_until

NAME = "mail.example.test"

pytestmark = pytest.mark.slow


def test_both_cas_issue_for_any_name_and_have_different_roots(start_demo: StartDemo) -> None:
    around = start_demo()
    staging = around.obtain(around.demo.facts.staging_url, NAME)
    production = around.obtain(around.demo.facts.production_url, "other.example.test")
    lifetime = production.not_valid_after_utc - production.not_valid_before_utc
    assert round(lifetime.total_seconds() / 86400) == 90
    assert staging.issuer != production.issuer
    https, production_root, staging_root = around.roots
    assert len({https.subject, production_root.subject, staging_root.subject}) == 3


def test_roots_file_names_each_certificate(start_demo: StartDemo) -> None:
    text = start_demo().demo.facts.roots.read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [comment.split(" (")[0] for comment in comments] == [
        "# The ACME servers' own HTTPS",
        "# Root of the production CA",
        "# Root of the staging CA",
    ]


def test_roots_file_is_right_again_after_a_ca_was_restarted(start_demo: StartDemo) -> None:
    around = start_demo()
    https, production, staging = around.roots
    os.kill(pid_of(around.demo.directory / "staging.json"), signal.SIGKILL)
    wait_until(lambda: around.roots[2] != staging, "roots.pem holds the new root", timeout=30)
    assert around.roots[:2] == [https, production]


def pid_of(argument: Path) -> int:
    """The process that has this argument."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(argument).encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"no process has {argument}")


def test_ports_and_rule_stay_over_a_restart(start_demo: StartDemo) -> None:
    first = start_demo()
    rule = (first.demo.directory / "router-rule").read_text()
    first.process.stop()
    second = start_demo()
    assert second.demo.ports == first.demo.ports
    assert (second.demo.directory / "router-rule").read_text() == rule


def test_closed_port_is_refused_and_heals(start_demo: StartDemo) -> None:
    around = start_demo(Fault.CLOSED_PORT)
    problem = around.refusal(around.demo.facts.staging_url, NAME)
    assert problem.code == "connection"
    assert "connection refused" in str(problem.detail)
    around.process.stop()
    healed = start_demo()
    healed.obtain(healed.demo.facts.staging_url, NAME)


def test_wrong_target_shows_the_routers_login_page(start_demo: StartDemo) -> None:
    around = start_demo(Fault.WRONG_TARGET)
    page = requests.get(f"http://127.0.0.1:{around.demo.ports.public_port}/x", timeout=5)
    assert page.status_code == 200
    assert "Router login" in page.text
    problem = around.refusal(around.demo.facts.staging_url, NAME)
    assert problem.code == "unauthorized"


def test_no_dns_answers_no_address(start_demo: StartDemo) -> None:
    around = start_demo(Fault.NO_DNS)
    problem = around.refusal(around.demo.facts.staging_url, NAME)
    assert "could not resolve" in str(problem.detail)
    assert NAME in str(problem.detail)


def test_caa_refuses_as_boulder_words_it_at_staging_alone(start_demo: StartDemo) -> None:
    around = start_demo(Fault.CAA)
    settings = settings_file.read(around.demo.directory.parent)
    problem = around.refusal(settings["GATEWAY_ADMIN_ACME_STAGING_URL"], NAME)
    assert problem.code == "caa"
    assert problem.detail == (
        f"While processing CAA for {NAME}: CAA record for {NAME} prevents issuance"
    )
    around.obtain(around.demo.facts.production_url, NAME)


def test_caa_proxy_keeps_clients_to_itself(start_demo: StartDemo) -> None:
    around = start_demo(Fault.CAA)
    url = around.demo.facts.staging_url
    directory = requests.get(url, timeout=5, verify=str(around.demo.https.ca)).json()
    place = url.removesuffix("/dir")
    assert all(value.startswith(place) for key, value in directory.items() if key != "meta")


def test_router_resets_when_nobody_listens_behind_it(start_demo: StartDemo) -> None:
    around = start_demo()
    around.responder.__exit__()
    address = ("127.0.0.1", around.demo.ports.public_port)
    # The reset may overtake the connect: the router accepts and resets in one go.
    with pytest.raises(ConnectionResetError), socket.create_connection(address, 5) as connection:
        connection.recv(1)


def test_a_second_order_is_validated_again(start_demo: StartDemo) -> None:
    """Or a demo that worked once would not show what happens when the router is wrong."""
    around = start_demo()
    url = around.demo.facts.staging_url
    acme = around.new_client(url)
    around.obtain(url, NAME, acme)
    for _ in range(5):
        (authorization,) = acme.new_order(request_for(NAME)).authorizations
        assert authorization.body.status == messages.STATUS_PENDING


def test_certificate_carries_the_name(start_demo: StartDemo) -> None:
    around = start_demo()
    certificate = around.obtain(around.demo.facts.production_url, NAME)
    (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == NAME
