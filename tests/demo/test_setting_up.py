"""What the demo writes into its data directory, without starting anything."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from gateway_admin.configuration import load
from gateway_admin.demo import https, packages, ports, roots, setting_up, settings_file
from gateway_admin.demo.caa_proxy import Refusals
from gateway_admin.launch.errors import LaunchError
from gateway_admin.launch.options import Fault


def test_settings_are_what_the_product_reads(tmp_path: Path) -> None:
    demo = setting_up.set_up(tmp_path, None, avoid=set())
    configuration = load({"GATEWAY_ADMIN_DATA_DIR": str(tmp_path)})
    assert configuration.demo
    assert configuration.acme_staging_url == demo.facts.staging_url
    assert configuration.acme_production_url == demo.facts.production_url
    assert configuration.acme_ca_bundle == tmp_path / "demo" / "acme-https.pem"
    assert configuration.dns_servers == (demo.facts.dns,)
    assert [str(network) for network in configuration.public_networks] == ["127.0.0.0/8"]


def test_pebble_is_told_ports_certificate_and_lifetime(tmp_path: Path) -> None:
    demo = setting_up.set_up(tmp_path, None, avoid=set())
    programs = {program.name: program for program in demo.programs(8080)}
    configuration = json.loads((tmp_path / "demo" / "staging.json").read_text())["pebble"]
    assert configuration["listenAddress"] == f"127.0.0.1:{demo.ports.staging_port}"
    assert configuration["httpPort"] == demo.ports.public_port
    assert configuration["certificateValidityPeriod"] == 7776000
    assert dict(programs["demo-staging"].environment)["PEBBLE_AUTHZREUSE"] == "0"
    assert programs["demo-staging"].log == Path("demo/staging.log")


def test_routers_rule_stays_when_the_challenge_port_changes(tmp_path: Path) -> None:
    demo = setting_up.set_up(tmp_path, None, avoid=set())
    for challenge_port in (8080, 8081):
        (router,) = (each for each in demo.programs(challenge_port) if each.name == "demo-router")
        assert router.command[-2:] == (str(demo.ports.public_port), "8080")


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (None, {"demo-router"}),
        (Fault.CLOSED_PORT, set()),
        (Fault.WRONG_TARGET, {"demo-router"}),
        (Fault.NO_DNS, {"demo-router"}),
        (Fault.CAA, {"demo-router", "demo-caa"}),
    ],
)
def test_a_fault_changes_the_programs_that_it_is_about(
    tmp_path: Path, fault: Fault | None, names: set[str]
) -> None:
    always = {"demo-dns", "demo-staging", "demo-production", "demo-roots"}
    demo = setting_up.set_up(tmp_path, fault, avoid=set())
    assert {program.name for program in demo.programs(8080)} == always | names


def test_roots_of_the_last_run_are_forgotten(tmp_path: Path) -> None:
    demo = setting_up.set_up(tmp_path, None, avoid=set())
    demo.facts.roots.write_text("old")
    assert not setting_up.set_up(tmp_path, None, avoid=set()).facts.roots.exists()


def test_certificate_of_the_servers_is_made_once_and_verifies_strictly(tmp_path: Path) -> None:
    files = https.ensure(tmp_path)
    before = files.certificate.read_bytes()
    assert https.ensure(tmp_path).certificate.read_bytes() == before
    certificate = x509.load_pem_x509_certificate(before)
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    certificate.verify_directly_issued_by(ca)
    assert files.key.stat().st_mode & 0o077 == 0
    assert ssl.create_default_context(cafile=files.ca).get_ca_certs()


def test_ports_are_kept_while_they_are_free() -> None:
    first = ports.assign({}, avoid=set())
    assert ports.assign(ports.to_settings(first), avoid=set()) == first


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_whose_owner_is_about_to_go_is_waited_for(kind: socket.SocketKind) -> None:
    first = ports.assign({}, avoid=set())
    with socket.socket(socket.AF_INET, kind) as owner:
        owner.bind((ports.HOST, first.dns_port))
        if kind == socket.SOCK_STREAM:
            owner.listen()
        leaving = threading.Timer(0.3, owner.close)
        leaving.start()
        assert ports.assign(ports.to_settings(first), avoid=set()) == first
        leaving.join()


def test_a_port_that_somebody_has_is_replaced_alone() -> None:
    first = ports.assign({}, avoid=set())
    kept = ports.to_settings(first)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as holder:
            holder.bind((ports.HOST, first.dns_port))
            if kind == socket.SOCK_STREAM:
                holder.listen()
            second = ports.to_settings(ports.assign(kept, avoid=set()))
        changed = {name for name in kept if kept[name] != second[name]}
        assert changed == {ports.variable("dns_port")}


def test_broken_or_forbidden_kept_ports_are_replaced() -> None:
    first = ports.assign({}, avoid=set())
    kept = dict(ports.to_settings(first)) | {ports.variable("public_port"): "x"}
    second = ports.assign(kept, avoid={first.staging_port})
    assert second.public_port in ports.CANDIDATES
    assert second.staging_port != first.staging_port
    assert second.production_port == first.production_port


def test_all_ports_differ() -> None:
    values = list(ports.to_settings(ports.assign({}, avoid=set())).values())
    assert len(set(values)) == len(values)


def test_missing_pebble_is_named_where_it_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="install the Debian package pebble"):
        packages.ensure_pebble()


def test_env_file_is_private_and_replaced_whole(tmp_path: Path) -> None:
    settings_file.write(tmp_path, {"A": "1"})
    settings_file.write(tmp_path, {"B": "2"})
    assert settings_file.read(tmp_path) == {"B": "2"}
    assert (tmp_path / "demo.env").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo.env"]


def test_roots_text_is_complete_and_readable(tmp_path: Path) -> None:
    pem = https.ensure(tmp_path).ca.read_text()
    text = roots.text(pem, {"staging": pem, "production": pem}, ["production", "staging"])
    assert len(x509.load_pem_x509_certificates(text.encode())) == 3


def test_caa_refusal_leaves_a_pending_authorization_alone() -> None:
    pending = {
        "status": "pending",
        "identifier": {"type": "dns", "value": "a.test"},
        "challenges": [{"type": "http-01", "token": "t", "status": "pending"}],
    }
    assert Refusals().rewrite(pending) is pending


def test_caa_refusal_turns_valid_into_invalid_everywhere() -> None:
    refusals = Refusals()
    valid = {"type": "http-01", "token": "t", "status": "valid"}
    authorization = {
        "status": "valid",
        "identifier": {"type": "dns", "value": "a.test"},
        "challenges": [valid, {"type": "dns-01", "token": "u", "status": "pending"}],
    }
    refused = refusals.rewrite(authorization)
    assert refused["status"] == "invalid"
    assert refused["challenges"][0]["error"]["type"] == "urn:ietf:params:acme:error:caa"
    assert refused["challenges"][1]["status"] == "pending"
    assert "a.test" in refusals.rewrite(valid)["error"]["detail"]
    order = {"status": "ready", "authorizations": [], "finalize": "x"}
    assert refusals.rewrite(order)["status"] == "invalid"
    assert refusals.rewrite({"status": "valid", "contact": []}) == {
        "status": "valid",
        "contact": [],
    }
