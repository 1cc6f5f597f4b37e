"""The main job on real parts: from the configured gateway to the files its services read."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.main_job.conftest import AtWork, StartProduct
from tests.main_job.steps import HOSTNAME, configure, last_state, name_of, start_workers
from tests.parts.pebble import Pebble, PebbleOptions, StartAuthorities, TestAuthorities
from tests.parts.processes import answers, free_port
from tests.parts.product import MakeProduct

pytestmark = pytest.mark.slow

ORDER_REQUESTS = [
    "POST /order-plz",
    "POST /authZ/",
    "POST /chalZ/",
    "POST /my-order/",
    "POST /finalize-order/",
    "POST /my-order/",
    "POST /certZ/",
]

POLL = "POST /my-order/"
WITHOUT_POLLS = [line for line in ORDER_REQUESTS if line != POLL]
# Pebble reuses a valid authorization once in a while, though it is told never to.
REUSED = [line for line in WITHOUT_POLLS if line not in {"POST /authZ/", "POST /chalZ/"}]


def read_chain(live: Path) -> list[x509.Certificate]:
    """The certificates that the gateway's services read."""
    return x509.load_pem_x509_certificates((live / "fullchain.pem").read_bytes())


def names_of(certificate: x509.Certificate) -> list[str]:
    """Its subject alternative names."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)


def assert_issued_by(chain: list[x509.Certificate], authority: Pebble) -> None:
    """The chain leads up to the root of that server and of no other."""
    root = x509.load_pem_x509_certificate(authority.root().encode())
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(root)


def stage_states(issued: dict[str, Any]) -> list[str]:
    """How each stage ended, in order."""
    return [stage["state"] for stage in issued["stages"]]


def test_an_issuance_ends_with_the_files_of_a_production_certificate(
    make_product: MakeProduct, authorities: TestAuthorities, backends: dict[str, str]
) -> None:
    with make_product(authorities.environment() | backends) as product:
        configure(product, authorities, "--additional-hostnames", "imap.example.test")
        start_workers(product, authorities)

        issued = product.json("issue", "--wait")

        assert issued["state"] == "done", issued
        assert stage_states(issued) == ["done"] * 4
        live = product.data_dir / "live" / "default"
        assert live.is_symlink()
        chain = read_chain(live)
        assert_issued_by(chain, authorities.production)
        assert names_of(chain[0]) == [HOSTNAME, "imap.example.test"]
        assert (live / "cert.pem").read_text() + (live / "chain.pem").read_text() == (
            live / "fullchain.pem"
        ).read_text()
        assert stat.S_IMODE((live / "privkey.pem").stat().st_mode) == 0o600
        key = serialization.load_pem_private_key((live / "privkey.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() == chain[0].public_key()


def test_status_and_log_tell_of_the_certificate(at_work: AtWork) -> None:
    product = at_work.product
    at_work.add_gateway("told")
    product.manage("issue", "told", "--wait")

    (gateway,) = (each for each in product.json("status")["gateways"] if each["slug"] == "told")
    messages = [event["message"] for event in product.json("log", "--gateway", "told")["events"]]

    assert gateway["certificate"]["names"] == [name_of("told")]
    assert gateway["certificate"]["origin"] == "lets-encrypt"
    assert gateway["last_issuance"]["state"] == "done"
    assert "third" in gateway["next_renewal"]["reason"]
    assert "is in use" in messages[0]
    assert any("staging environment" in message for message in messages)


def test_an_order_costs_seven_requests_when_the_ca_is_quick(at_work: AtWork) -> None:
    product, authorities = at_work.product, at_work.authorities
    at_work.add_gateway("quick")
    product.manage("issue", "quick", "--wait")
    costs = []
    for _ in range(3):
        before = len(authorities.production.requests())
        product.manage("issue", "quick", "--wait")
        # The preflight reads the directory; only what is signed is the order's.
        lines = authorities.production.requests()[before:]
        costs.append([line for line in lines if line.startswith("POST")])

    # A slow machine makes the CA slow, which costs polls and nothing else.
    assert min(len(cost) for cost in costs) <= len(ORDER_REQUESTS)
    for cost in costs:
        assert [line for line in cost if line != POLL] in (WITHOUT_POLLS, REUSED)


@pytest.mark.parametrize("bits", [2048, pytest.param(4096, marks=pytest.mark.soak)])
def test_rsa_keys_are_made_when_they_are_chosen(bits: int, at_work: AtWork) -> None:
    slug = f"rsa-{bits}"
    at_work.add_gateway(slug, "--key-type", slug)

    at_work.product.manage("issue", slug, "--wait")

    public_key = read_chain(at_work.product.data_dir / "live" / slug)[0].public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    assert public_key.key_size == bits


def test_a_refused_challenge_ends_in_staging_and_trying_again_succeeds(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme()
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        # The router's rule leads nowhere: the responder serves another port.
        elsewhere = str(free_port())
        product.manage("configure", "--challenge-port", elsewhere)
        product.start_responder(int(elsewhere))
        product.start_worker()

        refused = product.run("issue", "--wait", "--json")

        assert refused.returncode == 1
        assert "TCP port 80" in refused.stderr
        assert '"code": "acme-connection-refused"' in refused.stdout
        assert authorities.production.issued_count() == 0
        assert not (product.data_dir / "live" / "default").exists()
        (gateway,) = product.json("status")["gateways"]
        assert gateway["last_issuance"]["state"] == "failed"
        assert any(
            warning["code"] == "acme-connection-refused"
            for warning in product.json("warnings")["warnings"]
        )

        product.manage("configure", "--challenge-port", str(authorities.http_port))
        product.processes["challenges"].wait_until(
            lambda: answers(authorities.http_port), "The new port answers"
        )
        assert product.json("issue", "--wait")["state"] == "done"


def test_a_ca_that_cannot_be_reached_is_named_and_nothing_is_lost(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product()
    product.manage("issue", "--wait")
    before = (product.data_dir / "live" / "default" / "fullchain.pem").read_bytes()
    authorities.staging.stop()

    refused = product.run("issue", "--wait", "--json")

    assert refused.returncode == 1
    assert '"code": "ca-unreachable"' in refused.stdout
    assert (product.data_dir / "live" / "default" / "fullchain.pem").read_bytes() == before


def test_a_ca_that_forgot_the_account_gets_a_new_registration(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product()
    product.manage("issue", "--wait")
    for authority in (authorities.staging, authorities.production):
        authority.stop()
        authority.start()

    assert product.json("issue", "--wait")["state"] == "done"
    assert_issued_by(read_chain(product.data_dir / "live" / "default"), authorities.production)


# A worker does what test_nonces.py has done in one process, for the same share of nonces.
@pytest.mark.soak
def test_refused_nonces_cost_no_issuance(
    start_product: StartProduct,
) -> None:
    product, _ = start_product(PebbleOptions(nonce_reject_percent=50))

    # More of the same names in a week are not asked for.
    for _ in range(4):
        assert product.json("issue", "--wait")["state"] == "done"


def test_a_worker_killed_in_the_middle_is_no_loss(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product()
    authorities.production.stop()
    issuance = product.json("issue")
    product.processes["worker"].wait_until(
        lambda: last_state(product) == "production",
        "The issuance waits for the production server",
    )

    product.kill("worker")
    authorities.production.start()
    product.start_worker()

    product.processes["worker"].wait_until(
        lambda: last_state(product) in {"done", "failed"},
        "The issuance has ended",
        timeout=90,
    )
    (gateway,) = product.json("status")["gateways"]
    assert gateway["last_issuance"]["id"] == issuance["id"]
    assert gateway["last_issuance"]["state"] == "done"
    assert authorities.staging.issued_count() == 1
    assert authorities.production.issued_count() == 1


def test_the_private_keys_are_nowhere_in_the_database_or_the_logs(
    start_product: StartProduct,
) -> None:
    product, _ = start_product()
    product.manage("issue", "--wait")
    pem = (product.data_dir / "live" / "default" / "privkey.pem").read_text()
    product.stop()

    key = serialization.load_pem_private_key(pem.encode(), None)
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    # The 32 bytes of the secret number, wherever and however they were written.
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    assert secret in der
    database = list(product.data_dir.glob("db.sqlite3*"))
    logs = list(product.log_dir.iterdir())
    for file in [*database, *logs]:
        content = file.read_bytes()
        assert secret not in content
        assert pem.splitlines()[1].encode() not in content
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in database)
