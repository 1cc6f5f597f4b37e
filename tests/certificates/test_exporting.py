"""What is exported opens elsewhere: with OpenSSL and NSS here, and again in our own import.

Java's keytool (17) was tried by hand with both kinds of PFX: it lists and converts them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from certificates import exporting, importing, keys
from certificates.models import Certificate, Event, Gateway
from challenges.problems import ProblemError
from tests.certificates.chains import PrivateKey, make_authority, make_chain, make_leaf, store_leaf
from tests.parts.processes import find_program

PASSWORD = "päßword with spaces"
MODERN = ("PBES2, PBKDF2, AES-256-CBC, Iteration 20000, PRF hmacWithSHA256", "MAC: sha256")
LEGACY = ("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048", "MAC: sha1, Iteration 2048")
KINDS: tuple[Callable[[], PrivateKey], ...] = (
    lambda: ec.generate_private_key(ec.SECP256R1()),
    lambda: ec.generate_private_key(ec.SECP384R1()),
    lambda: rsa.generate_private_key(65537, 2048),
)


@pytest.fixture(params=KINDS, ids=["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def certificate(request: pytest.FixtureRequest, gateway: Gateway) -> Certificate:
    """A stored chain of three with a key of each kind."""
    issuer = make_authority("Test Issuer", make_authority())
    return store_leaf(gateway, make_leaf(*gateway.names, above=issuer, key=request.param()))


def openssl(*arguments: str | Path, password: str = PASSWORD) -> str:
    """What it says on either stream; it must succeed."""
    done = subprocess.run(
        [find_program("openssl", package="openssl"), *arguments],
        env={"PASSWORD": password, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_files_are_certbots_without_the_key(certificate: Certificate) -> None:
    files = exporting.files(certificate)

    assert set(files) == {"fullchain.pem", "chain.pem", "cert.pem"}
    assert files["fullchain.pem"].decode() == certificate.chain_pem
    assert files["cert.pem"] + files["chain.pem"] == files["fullchain.pem"]
    assert len(x509.load_pem_x509_certificates(files["chain.pem"])) == 2
    assert b"PRIVATE" not in b"".join(files.values())
    assert not Event.objects.exists()


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_key_opens_with_its_password_alone(
    certificate: Certificate, password: str | None
) -> None:
    exported = exporting.private_key_pem(certificate, password)

    secret = password.encode() if password else None
    key = serialization.load_pem_private_key(exported, secret)
    assert key.public_key() == leaf_of(certificate).public_key()
    assert exported.startswith(
        b"-----BEGIN ENCRYPTED PRIVATE KEY" if password else b"-----BEGIN PRIVATE KEY"
    )
    if password:
        with pytest.raises(ValueError):
            serialization.load_pem_private_key(exported, b"another")


@pytest.mark.parametrize(("legacy", "words"), [(False, MODERN), (True, LEGACY)])
def test_openssl_opens_a_pfx_file_of_either_kind(
    certificate: Certificate, legacy: bool, words: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "gateway.pfx"
    file.write_bytes(exporting.pfx(certificate, PASSWORD, legacy=legacy))

    said = openssl("pkcs12", "-in", file, "-info", "-nodes", "-passin", "env:PASSWORD")

    for word in words:
        assert word in said
    assert said.count("BEGIN CERTIFICATE") == 3
    assert "friendlyName: mail.example.com" in said
    assert key_in(said) == leaf_of(certificate).public_key()


@pytest.mark.parametrize("legacy", [False, True])
def test_nss_opens_a_pfx_file_of_either_kind(
    gateway: Gateway, legacy: bool, tmp_path: Path
) -> None:
    pk12util = find_program("pk12util", package="libnss3-tools")
    file, password = tmp_path / "gateway.pfx", tmp_path / "password"
    password.write_text(PASSWORD)
    file.write_bytes(exporting.pfx(store_leaf(gateway), PASSWORD, legacy=legacy))

    done = subprocess.run(
        [pk12util, "-i", file, "-w", password, "-d", f"sql:{tmp_path}", "-K", ""],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr + done.stdout
    assert "SUCCESSFUL" in done.stdout


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_exported_can_be_imported(certificate: Certificate, legacy: bool) -> None:
    for files in (
        [exporting.pfx(certificate, PASSWORD, legacy=legacy)],
        [
            exporting.private_key_pem(certificate, PASSWORD),
            exporting.files(certificate)["fullchain.pem"],
        ],
    ):
        imported = importing.read(files, PASSWORD, now=timezone.now())

        assert imported.chain.sha256 == certificate.sha256
        assert imported.key_der is not None
        key = keys.load_der(imported.key_der)
        assert key.public_key() == leaf_of(certificate).public_key()


@pytest.mark.parametrize("password", ["x", "with \N{LOCK} beyond the first plane", "a" * 1000])
@pytest.mark.parametrize("legacy", [False, True])
def test_any_password_will_do(
    gateway: Gateway, password: str, legacy: bool, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.pfx"
    file.write_bytes(exporting.pfx(store_leaf(gateway), password, legacy=legacy))

    openssl("pkcs12", "-in", file, "-noout", "-passin", "env:PASSWORD", password=password)


def test_a_pfx_file_needs_a_password(gateway: Gateway) -> None:
    with pytest.raises(ProblemError) as caught:
        exporting.pfx(store_leaf(gateway), "", legacy=False)

    assert caught.value.problem.code == "export-password-missing"
    assert not Event.objects.exists()


def test_the_log_says_who_has_taken_what_and_never_the_content(gateway: Gateway) -> None:
    certificate = store_leaf(gateway)
    key = exporting.private_key_pem(certificate, None, by="ada")
    exporting.private_key_pem(certificate, PASSWORD, by="ada")
    exporting.pfx(certificate, PASSWORD, legacy=True, by="ada")
    exporting.pfx(certificate, PASSWORD, legacy=False)

    events = list(Event.objects.order_by("pk"))
    assert {event.code for event in events} == {"certificate-exported"}
    assert {event.gateway for event in events} == {gateway}
    assert [event.message.rpartition(" was exported ")[2] for event in events] == [
        "as PEM without a password by ada.",
        "as PEM with a password by ada.",
        "as PFX with legacy encryption by ada.",
        "as PFX with modern encryption.",
    ]
    said = "".join(f"{event.message}{event.detail}" for event in events)
    assert certificate.serial in said
    assert PASSWORD not in said
    assert key.decode().splitlines()[1] not in said


def test_a_certificate_from_staging_never_leaves(gateway: Gateway) -> None:
    issuer = make_authority("(STAGING) Test Issuer", make_authority())
    certificate = store_leaf(gateway, make_leaf(*gateway.names, above=issuer))

    exports: list[Callable[[], object]] = [
        lambda: exporting.files(certificate),
        lambda: exporting.private_key_pem(certificate, PASSWORD),
        lambda: exporting.pfx(certificate, PASSWORD, legacy=False),
    ]
    for export in exports:
        with pytest.raises(ProblemError) as caught:
            export()
        assert caught.value.problem.code == "certificate-from-staging"
    assert not Event.objects.exists()


def test_a_key_that_does_not_open_is_told(gateway: Gateway) -> None:
    certificate = store_leaf(gateway, make_chain(*gateway.names))
    certificate.sealed_key = "v1.gone.gone"

    exports: list[Callable[[], object]] = [
        lambda: exporting.private_key_pem(certificate, PASSWORD),
        lambda: exporting.pfx(certificate, PASSWORD, legacy=False),
    ]
    for export in exports:
        with pytest.raises(ProblemError) as caught:
            export()
        assert caught.value.problem.code == "sealed-secret-unreadable"
    assert exporting.files(certificate)
    assert not Event.objects.exists()


def leaf_of(certificate: Certificate) -> x509.Certificate:
    """The certificate itself."""
    return x509.load_pem_x509_certificate(certificate.chain_pem.encode())


def key_in(text: str) -> object:
    """The public half of the key in PEM among other text."""
    begin = text.index("-----BEGIN PRIVATE KEY")
    return serialization.load_pem_private_key(text[begin:].encode(), None).public_key()
