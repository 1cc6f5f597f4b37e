from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import keys, pem, sealing, store
from certificates.generations import KEPT
from certificates.models import Certificate, Gateway, Origin
from challenges.problems import ProblemError
from tests.certificates.chains import make_chain, store_leaf
from tests.console import make_gateway

FILES = {"fullchain.pem", "cert.pem", "chain.pem", "privkey.pem"}


def spki_of(directory: Path) -> tuple[str, str]:
    """Which key the certificate there is for, and which key lies there."""
    certificate = x509.load_pem_x509_certificates((directory / "fullchain.pem").read_bytes())[0]
    key = serialization.load_pem_private_key(
        (directory / "privkey.pem").read_bytes(), password=None
    )
    return (
        keys.spki_sha256(certificate.public_key()),
        keys.spki_sha256(key.public_key()),
    )


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def is_in_use(gateway: Gateway, certificate: Certificate) -> bool:
    """Whether the files are all there and all of this certificate."""
    directory = store.live_directory(gateway)
    held, key = spki_of(directory)
    wanted = pem.facts(pem.split(certificate.chain_pem.encode())).spki_sha256
    return held == key == wanted and names_in(directory) == FILES


# Rows


def test_a_certificate_is_stored_with_a_key_that_only_it_can_open(gateway: Gateway) -> None:
    leaf = make_chain("mail.example.com")
    certificate = store_leaf(gateway, leaf)
    assert store.private_key(certificate) == leaf.key_der
    assert "PRIVATE" not in certificate.sealed_key
    other = store_leaf(gateway)
    other.sealed_key = certificate.sealed_key
    with pytest.raises(ProblemError):
        store.private_key(other)


def test_the_same_certificate_again_is_the_same_row(gateway: Gateway) -> None:
    leaf = make_chain("mail.example.com")
    first = store_leaf(gateway, leaf, Origin.LETS_ENCRYPT)
    again = store_leaf(gateway, leaf, Origin.IMPORTED)
    assert first.pk == again.pk
    assert again.origin == Origin.LETS_ENCRYPT
    elsewhere = store_leaf(make_gateway("other", "mail.example.com"), leaf)
    assert elsewhere.pk != first.pk


def test_a_sealed_key_opens_for_its_own_public_key_alone(gateway: Gateway) -> None:
    leaf = make_chain("mail.example.com")
    sealed = store.seal_key(leaf.key_der, leaf.key.public_key())
    purpose = pem.facts(leaf.chain).sealing_purpose
    assert sealing.unseal(sealed, purpose) == leaf.key_der


# Files


def test_the_files_are_what_servers_expect(gateway: Gateway, data_dir: Path) -> None:
    leaf = make_chain("mail.example.com")
    directory = store.write_live(gateway, store_leaf(gateway, leaf))
    assert directory == data_dir / "live" / "default"
    assert names_in(directory) == FILES
    assert (directory / "fullchain.pem").read_bytes() == leaf.chain_pem
    assert (directory / "cert.pem").read_bytes() == leaf.pem
    assert (directory / "cert.pem").read_bytes() + (directory / "chain.pem").read_bytes() == (
        leaf.chain_pem
    )
    assert is_in_use(gateway, Certificate.objects.get())


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000])
def test_only_the_owner_can_read_whatever_the_umask(
    gateway: Gateway, data_dir: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        directory = store.write_live(gateway, store_leaf(gateway)).resolve()
    finally:
        os.umask(before)
    assert {stat.S_IMODE((directory / name).stat().st_mode) for name in FILES} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "live").stat().st_mode) == 0o700


def test_the_link_is_relative_so_that_the_data_directory_can_be_moved(
    gateway: Gateway, data_dir: Path
) -> None:
    certificate = store_leaf(gateway)
    link = store.write_live(gateway, certificate)
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    moved = data_dir.rename(data_dir.with_name("moved"))
    held, key = spki_of(moved / "live" / "default")
    assert held == key


def test_old_files_are_removed_but_not_the_ones_just_before(
    gateway: Gateway, data_dir: Path
) -> None:
    archive = data_dir / "archive" / "default"
    generations = [store.write_live(gateway, store_leaf(gateway)).resolve().name for _ in range(6)]
    assert len(set(generations)) == 6
    assert len(list(archive.iterdir())) == KEPT
    assert generations[-1] in names_in(archive)


def test_gateways_do_not_touch_each_others_files(gateway: Gateway, data_dir: Path) -> None:
    other = make_gateway("other", "other.example.com")
    first, second = store_leaf(gateway), store_leaf(other)
    store.write_live(gateway, first)
    for _ in range(5):
        store.write_live(other, second)
    assert is_in_use(gateway, first)
    assert is_in_use(other, second)


@pytest.mark.parametrize("slug", ["", ".", "..", "../x", "a/b", "/etc", "a\x00", "a\n"])
def test_a_slug_is_never_a_path(slug: str) -> None:
    with pytest.raises(ValueError, match="not a slug"):
        store.live_directory(Gateway(slug=slug))


def test_a_directory_in_the_place_of_the_link_is_not_overwritten(
    gateway: Gateway, data_dir: Path
) -> None:
    mine = data_dir / "live" / "default" / "mine"
    mine.mkdir(parents=True)
    with pytest.raises(ProblemError):
        store.write_live(gateway, store_leaf(gateway))
    assert mine.is_dir()


def test_without_the_key_nothing_is_written(gateway: Gateway, data_dir: Path) -> None:
    certificate = store_leaf(gateway)
    Certificate.objects.update(sealed_key=sealing.seal(b"x", "another purpose"))
    certificate.refresh_from_db()
    with pytest.raises(ProblemError) as caught:
        store.write_live(gateway, certificate)
    assert caught.value.problem.code == "sealed-secret-unreadable"
    assert list(data_dir.iterdir()) == []
