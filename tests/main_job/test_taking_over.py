"""What the real certbot has obtained is taken over, and renewed here with the same account."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.main_job.steps import start_workers
from tests.parts.certbot import Certbot
from tests.parts.pebble import TestAuthorities
from tests.parts.product import Product

pytestmark = pytest.mark.slow

ECDSA = ["mx.example.test", "imap.example.test"]
RSA = ["mx.example.org"]
REGISTRATION = "POST /sign-me-up"


@pytest.fixture(scope="module")
def made(authorities: TestAuthorities, tmp_path_factory: pytest.TempPathFactory) -> Certbot:
    """Certbot's directory with two lineages, one renewed once."""
    certbot = Certbot(tmp_path_factory.mktemp("certbot"), authorities.production, authorities)
    certbot.obtain(*ECDSA, key_type="ecdsa")
    certbot.obtain(*RSA, key_type="rsa")
    certbot.renew(ECDSA[0])
    assert (certbot.directory / "archive" / ECDSA[0] / "privkey2.pem").exists()
    return certbot


@pytest.fixture
def copy(made: Certbot, tmp_path: Path) -> Path:
    """A copy of the directory, as an administrator makes it for the product's user."""
    return shutil.copytree(made.directory, tmp_path / "copy", symlinks=True)


def live(product: Product, slug: str) -> x509.Certificate:
    """The certificate that the gateway's services read, whose key is beside it."""
    directory = product.data_dir / "live" / slug
    leaf = x509.load_pem_x509_certificates((directory / "fullchain.pem").read_bytes())[0]
    key = serialization.load_pem_private_key((directory / "privkey.pem").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    return leaf


def certbots(certbot: Certbot, name: str) -> x509.Certificate:
    """Its newest certificate of that lineage."""
    file = certbot.directory / "live" / name / "cert.pem"
    return x509.load_pem_x509_certificate(file.read_bytes())


def gateways(product: Product) -> dict[str, Any]:
    """By their short names."""
    return {each["slug"]: each for each in product.json("status")["gateways"]}


def test_certificates_and_account_are_taken_over_and_renewed_without_a_new_account(
    product: Product, authorities: TestAuthorities, made: Certbot, copy: Path
) -> None:
    answer = product.json("import_certificate", "--from-certbot", copy)

    assert answer["account"]["url"] == made.account_url
    assert {(each["lineage"], each["in_use"]) for each in answer["lineages"]} == {
        (ECDSA[0], True),
        (RSA[0], True),
    }
    assert live(product, "mx-example-test") == certbots(made, ECDSA[0])
    assert isinstance(live(product, "mx-example-test").public_key(), ec.EllipticCurvePublicKey)
    assert live(product, "mx-example-org") == certbots(made, RSA[0])
    for gateway in gateways(product).values():
        assert gateway["certificate"]["origin"] == "lets-encrypt"
        assert gateway["certificate_source"] == "lets-encrypt"
        assert gateway["next_renewal"] is not None
    assert gateways(product)["mx-example-test"]["additional_hostnames"] == ECDSA[1:]

    before = len(authorities.production.requests())
    registered = authorities.production.registered_count()
    product.manage("configure", "--challenge-port", str(authorities.http_port))
    start_workers(product, authorities)
    for slug in ("mx-example-test", "mx-example-org"):
        product.manage("renew", slug, "--wait")

    asked = authorities.production.requests()[before:]
    assert not [line for line in asked if line.startswith(REGISTRATION)]
    assert authorities.production.registered_count() == registered
    assert live(product, "mx-example-test") != certbots(made, ECDSA[0])
    renewed = live(product, "mx-example-org")
    assert renewed != certbots(made, RSA[0])
    # The kind of key that certbot was told to make is kept as well.
    assert isinstance(renewed.public_key(), rsa.RSAPublicKey)


def test_taking_over_twice_changes_nothing(product: Product, copy: Path) -> None:
    first = product.json("import_certificate", "--from-certbot", copy)
    second = product.json("import_certificate", "--from-certbot", copy)
    assert second["account"] == first["account"]
    assert [each["certificate"] for each in second["lineages"]] == [
        each["certificate"] for each in first["lineages"]
    ]
    assert not any(each["is_new_gateway"] for each in second["lineages"])


def test_a_broken_directory_is_one_line_and_nothing_is_stored(product: Product, copy: Path) -> None:
    (copy / "archive" / RSA[0] / "privkey1.pem").unlink()
    done = product.run("import_certificate", "--from-certbot", copy)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "privkey.pem is a link to a file that is missing" in done.stderr
    assert gateways(product) == {}
