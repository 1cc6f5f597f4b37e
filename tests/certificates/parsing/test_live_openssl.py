"""What the openssl of this machine writes by itself, whatever its version's defaults are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certificates.parsing.messages import ImportedCertificate
from certificates.parsing.private_keys import belongs_to
from tests.certificates.chains import make_authority, make_leaf
from tests.certificates.parsing.reader import PASSWORD, code, read
from tests.parts.processes import find_program

PROTECTED = f"pass:{PASSWORD}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate of openssl's own."""
    made = tmp_path_factory.mktemp("openssl")
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    names = ["-subj", "/CN=mx.example.org", "-addext", "subjectAltName=DNS:mx.example.org"]
    openssl(made, "req", "-x509", *options, *names, "-keyout", "key.pem", "-out", "cert.pem")
    return made


def openssl(directory: Path, *arguments: str) -> bytes:
    """What it prints. Raises CalledProcessError."""
    program = find_program("openssl", package="openssl")
    done = subprocess.run([program, *arguments], cwd=directory, capture_output=True, check=True)
    return done.stdout


def check(imported: ImportedCertificate, directory: Path) -> None:
    """The key is the one that openssl made."""
    assert imported.key_der is not None
    assert imported.key_der == openssl(
        directory, "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER"
    )
    assert imported.notes == ()


@pytest.mark.parametrize(
    "arguments",
    [
        ["pkey", "-in", "key.pem"],
        ["pkey", "-in", "key.pem", "-text"],
        ["pkey", "-in", "key.pem", "-outform", "DER"],
        ["ec", "-in", "key.pem"],
        ["ec", "-in", "key.pem", "-aes256", "-passout", PROTECTED],
        ["pkey", "-in", "key.pem", "-aes-256-cbc", "-passout", PROTECTED],
        ["pkcs8", "-topk8", "-in", "key.pem", "-passout", PROTECTED],
        ["pkcs8", "-topk8", "-in", "key.pem", "-scrypt", "-passout", PROTECTED],
        ["pkcs8", "-topk8", "-in", "key.pem", "-iter", "100000", "-passout", PROTECTED],
    ],
    ids=" ".join,
)
def test_a_key_as_openssl_writes_it_is_read(directory: Path, arguments: list[str]) -> None:
    certificate = (directory / "cert.pem").read_bytes()

    check(read([certificate, openssl(directory, *arguments)], PASSWORD), directory)


@pytest.mark.parametrize("options", [[], ["-descert"], ["-nomac"], ["-keypbe", "NONE"]])
def test_a_bundle_as_openssl_writes_it_is_read(directory: Path, options: list[str]) -> None:
    files = ["-inkey", "key.pem", "-in", "cert.pem", "-passout", PROTECTED]
    bundle = openssl(directory, "pkcs12", "-export", *files, *options)

    check(read([bundle], PASSWORD), directory)
    assert code([bundle], "wrong") == "password-wrong"


def test_what_openssl_prints_of_a_bundle_is_read(directory: Path) -> None:
    files = ["-inkey", "key.pem", "-in", "cert.pem", "-passout", PROTECTED, "-out", "out.pfx"]
    openssl(directory, "pkcs12", "-export", *files)
    text = openssl(directory, "pkcs12", "-in", "out.pfx", "-passin", PROTECTED, "-nodes")

    assert b"Bag Attributes" in text
    check(read([text]), directory)


def test_a_request_as_openssl_writes_it_is_told(directory: Path) -> None:
    request = openssl(directory, "req", "-new", "-key", "key.pem", "-subj", "/CN=mx", "-text")

    assert code([request, (directory / "key.pem").read_bytes()]) == (
        "request-instead-of-certificate"
    )


def test_a_bundle_whose_key_claims_anothers_public_half_is_refused(directory: Path) -> None:
    victim = make_leaf("mx.example.org", above=make_authority())
    forms = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    key = serialization.load_pem_private_key((directory / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    options = ["-nocerts", "-inkey", "key.pem", "-keypbe", "NONE", "-nomac", "-passout", "pass:"]
    bundle = openssl(directory, "pkcs12", "-export", *options)
    mine, theirs = (half.public_key().public_bytes(*forms) for half in (key, victim.key))
    assert mine in bundle

    assert code([bundle.replace(mine, theirs), victim.pem]) in {"pfx-unreadable", "key-unreadable"}
    assert not belongs_to(key, victim.key.public_key())
    assert belongs_to(key, key.public_key())
