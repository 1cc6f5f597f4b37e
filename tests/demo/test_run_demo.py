"""`scripts/run --demo`: the product and its surroundings under one supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509

from gateway_admin.configuration import load
from gateway_admin.demo import ports, settings_file
from gateway_admin.demo.ports import variable
from gateway_admin.demo.setting_up import set_up
from tests.launch.running import STOP_LIMIT, Run, StartRun, processes_of, refused
from tests.parts.processes import free_port, wait_until
from tests.parts.product import CHECKOUT, MakeProduct

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAMS = (
    "console",
    "challenges",
    "worker",
    "demo-staging",
    "demo-production",
    "demo-dns",
    "demo-router",
    "demo-roots",
)


@pytest.fixture
def demo(start_run: StartRun) -> Run:
    """A demo that is ready."""
    run = start_run("--demo")
    run.wait_until_ready()
    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One demo for all tests that only look at it."""
    started = Run(tmp_path_factory.mktemp("shared") / "data", "--demo")
    started.wait_until_ready()
    yield started
    started.process.stop()


def test_demo_says_where_its_ca_and_dns_are_before_it_is_ready(shared: Run) -> None:
    settings = settings_file.read(shared.data_dir)
    roots = shared.data_dir / "demo" / "roots.pem"
    said = [line for line in shared.lines if line.startswith(("Demo ", "Gateway Admin is ready"))]
    staging = settings["GATEWAY_ADMIN_ACME_STAGING_URL"]
    production = settings["GATEWAY_ADMIN_ACME_PRODUCTION_URL"]
    assert said == [
        f"Demo CA: staging {staging} production {production} roots {roots}",
        f"Demo DNS: {settings['GATEWAY_ADMIN_DNS_SERVERS']}",
        f"Gateway Admin is ready at {shared.url}",
    ]
    assert len(x509.load_pem_x509_certificates(roots.read_bytes())) == 3
    assert shared.health() == 200


def test_every_command_on_the_directory_finds_the_same_ca(shared: Run) -> None:
    configuration = load({"GATEWAY_ADMIN_DATA_DIR": str(shared.data_dir)})
    assert configuration.demo
    assert configuration.challenge_host == "127.0.0.1"
    for url in (configuration.acme_staging_url, configuration.acme_production_url):
        answer = requests.get(url, timeout=10, verify=str(configuration.acme_ca_bundle))
        assert "newOrder" in answer.json()


def test_routers_public_port_leads_to_the_challenge_port(shared: Run) -> None:
    settings = settings_file.read(shared.data_dir)
    port = settings[variable("public_port")]
    token = f"http://127.0.0.1:{port}/.well-known/acme-challenge/{'x' * 43}"

    def status() -> int:
        try:
            return requests.get(token, timeout=5).status_code
        except requests.ConnectionError:
            return 0

    wait_until(lambda: status() == 404, "The responder answers through the router")


def test_every_program_of_the_demo_is_started_again_unless_the_supervisor_is_killed(
    demo: Run,
) -> None:
    pids = {program: demo.kill(program) for program in PROGRAMS}

    def all_run_again() -> bool:
        return all(demo.is_back(pid, program) for program, pid in pids.items())

    wait_until(all_run_again, "Everything runs again", timeout=60)
    wait_until(lambda: demo.health() == 200, "All is well again", timeout=60)

    os.kill(demo.process.pid, signal.SIGKILL)
    demo.assert_ends_itself()


def test_a_stop_leaves_nothing_and_a_second_start_keeps_ports_and_rule_and_heals_faults(
    demo: Run, start_run: StartRun
) -> None:
    first = settings_file.read(demo.data_dir)
    rule = (demo.data_dir / "demo" / "router-rule").read_text()
    assert demo.stop(signal.SIGINT) < STOP_LIMIT
    demo.assert_nothing_left()
    broken = start_run("--demo", "--demo-fault", "closed-port")
    broken.wait_until_ready()
    assert not broken.pids_of("demo-router")
    assert settings_file.read(demo.data_dir)["GATEWAY_ADMIN_DEMO_FAULT"] == "closed-port"
    assert broken.stop(signal.SIGTERM) < STOP_LIMIT
    broken.assert_nothing_left()
    healed = start_run("--demo")
    healed.wait_until_ready()
    assert healed.pids_of("demo-router")
    assert settings_file.read(demo.data_dir) == first
    assert (demo.data_dir / "demo" / "router-rule").read_text() == rule


def test_a_port_that_was_taken_meanwhile_is_replaced(shared: Run) -> None:
    """Every server of this demo is up, all but the proxy, so that none of their ports is free."""
    kept = settings_file.read(shared.data_dir)
    again = ports.to_settings(ports.assign(kept, avoid=set()))
    assert {name for name in again if again[name] == kept[name]} == {variable("proxy_port")}


def test_a_directory_with_gateways_does_not_become_a_demo(
    make_product: MakeProduct,
) -> None:
    product = make_product()
    product.manage("configure", "--hostname", "mail.example.com")
    line = refused(product.data_dir, "--demo", "--port", str(free_port()))
    assert "already holds gateways of its own" in line
    assert not (product.data_dir / "demo.env").exists()
    assert not (product.data_dir / "demo").exists()


def test_a_demo_is_not_started_as_the_real_thing(run_dir: Path) -> None:
    (run_dir / "run").mkdir(parents=True)
    set_up(run_dir, None, avoid=set())
    line = refused(run_dir, "--port", str(free_port()))
    assert "holds a demonstration" in line
    assert "--demo" in line
    assert processes_of(run_dir) == {}


def test_the_operators_commands_find_the_same_ca_and_gateway(shared: Run) -> None:
    def manage(*arguments: str | Path) -> str:
        return subprocess.run(
            [sys.executable, CHECKOUT / "manage.py", *arguments, "--data-dir", shared.data_dir],
            cwd=shared.data_dir.parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    manage("configure", "--hostname", "mx.example.test", "--agree-terms")
    assert "Done" in manage("issue", "--wait")
    assert "is in use" in manage("log")
