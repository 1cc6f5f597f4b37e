from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from django.utils import timezone

from certificates import adding, deploying, importing, keys, pem, repairing, store
from certificates.models import Certificate, CertificateSource, Event, Gateway, Level, Origin
from challenges.problems import ProblemError
from tests.certificates.chains import (
    make_authority,
    make_chain,
    make_leaf,
    new_key,
    store_leaf,
)
from tests.console import make_gateway

DAY = datetime.timedelta(days=1)


def new_key_der() -> bytes:
    """Some key."""
    return keys.to_der(new_key())


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


def begun(days_ago: float, gateway: Gateway, origin: Origin = Origin.LETS_ENCRYPT) -> Certificate:
    """A certificate for the gateway that began that many days ago."""
    leaf = make_chain(*gateway.names, begin=timezone.now() - days_ago * DAY)
    return store_leaf(gateway, leaf, origin)


def in_use(gateway: Gateway) -> str:
    """The certificate file that the services read; empty when there is none."""
    file = store.live_directory(gateway) / "fullchain.pem"
    return file.read_text() if file.exists() else ""


def state(gateway: Gateway) -> tuple[Certificate | None, str, str]:
    """Everything that a selection changes."""
    gateway.refresh_from_db()
    return gateway.selected_certificate, gateway.certificate_source, in_use(gateway)


def break_live(gateway: Gateway) -> None:
    """Make writing the files impossible: something else stands where the link belongs."""
    link = store.live_directory(gateway)
    link.unlink(missing_ok=True)
    (link / "in the way").mkdir(parents=True)


# Select


def test_the_newest_issued_one_keeps_the_source_lets_encrypt(gateway: Gateway) -> None:
    begun(30, gateway)
    newest = begun(1, gateway)
    deploying.select(newest, gateway, timezone.now())
    assert state(gateway) == (newest, CertificateSource.LETS_ENCRYPT, newest.chain_pem)


def test_the_newest_issued_one_restores_the_source_lets_encrypt(gateway: Gateway) -> None:
    newest = begun(1, gateway)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    deploying.select(newest, gateway, timezone.now())
    assert state(gateway) == (newest, CertificateSource.LETS_ENCRYPT, newest.chain_pem)


@pytest.mark.parametrize("origin", [Origin.LETS_ENCRYPT, Origin.IMPORTED, Origin.SELF_SIGNED])
def test_any_other_makes_the_source_manual(gateway: Gateway, origin: Origin) -> None:
    chosen = begun(30, gateway, origin)
    begun(1, gateway)
    deploying.select(chosen, gateway, timezone.now())
    assert state(gateway) == (chosen, CertificateSource.MANUAL, chosen.chain_pem)


def test_an_imported_one_is_manual_even_if_it_is_newer_than_all_issued(gateway: Gateway) -> None:
    begun(30, gateway)
    chosen = begun(1, gateway, Origin.IMPORTED)
    deploying.select(chosen, gateway, timezone.now())
    assert state(gateway) == (chosen, CertificateSource.MANUAL, chosen.chain_pem)


def test_without_any_issued_one_the_source_is_manual(gateway: Gateway) -> None:
    chosen = begun(1, gateway, Origin.IMPORTED)
    deploying.select(chosen, gateway, timezone.now())
    assert state(gateway) == (chosen, CertificateSource.MANUAL, chosen.chain_pem)


def test_what_another_gateway_was_issued_does_not_count(gateway: Gateway) -> None:
    mine = begun(30, gateway)
    begun(1, make_gateway("other", "mail.example.com"))
    deploying.select(mine, gateway, timezone.now())
    assert state(gateway)[1] == CertificateSource.LETS_ENCRYPT


@pytest.mark.parametrize(
    ("names", "days_ago", "code"),
    [
        (["other.example.com"], 1, "names-do-not-match"),
        (["mail.example.com"], 1, "names-do-not-match"),
        (["mail.example.com", "smtp.example.com"], 91, "certificate-expired"),
        (["mail.example.com", "smtp.example.com"], -2, "certificate-not-yet-valid"),
    ],
)
def test_one_that_does_not_fit_is_refused_and_nothing_changes(
    gateway: Gateway, names: list[str], days_ago: int, code: str
) -> None:
    Gateway.objects.update(additional_hostnames=["smtp.example.com"])
    gateway.refresh_from_db()
    deploying.select(begun(1, gateway), gateway, timezone.now())
    before = state(gateway)
    unfit = store_leaf(gateway, make_chain(*names, begin=timezone.now() - days_ago * DAY))
    with pytest.raises(ProblemError) as caught:
        deploying.select(unfit, gateway, timezone.now())
    assert caught.value.problem.code == code
    assert state(gateway) == before
    assert Event.objects.filter(code="certificate-selected").count() == 1


@pytest.mark.parametrize("sealed", ["", "v1.00000000.AAAA", "moved"])
def test_one_whose_key_cannot_be_opened_is_refused_and_nothing_changes(
    gateway: Gateway, sealed: str
) -> None:
    deploying.select(begun(2, gateway), gateway, timezone.now())
    before, keyless = state(gateway), begun(1, gateway)
    # What was sealed for another certificate opens there alone.
    keyless.sealed_key = begun(3, gateway).sealed_key if sealed == "moved" else sealed
    keyless.save()
    with pytest.raises(ProblemError) as caught:
        deploying.select(keyless, gateway, timezone.now())
    assert caught.value.problem.code == "certificate-without-key"
    assert "cannot be decrypted" in caught.value.problem.explanation
    assert state(gateway) == before


@pytest.mark.parametrize("key_der", [new_key_der(), b"no key at all"])
def test_one_with_a_key_of_another_is_refused(gateway: Gateway, key_der: bytes) -> None:
    facts = pem.facts(make_chain("mail.example.com").chain)
    wrong = store.add(gateway, facts, key_der, Origin.IMPORTED)
    with pytest.raises(ProblemError) as caught:
        deploying.select(wrong, gateway, timezone.now())
    assert caught.value.problem.code == "certificate-without-key"
    assert state(gateway)[0] is None


def test_one_from_staging_is_refused(gateway: Gateway) -> None:
    issuer = make_authority("(STAGING) Riddling Rhubarb R12", make_authority())
    leaf = make_leaf("mail.example.com", above=issuer)
    with pytest.raises(ProblemError) as caught:
        deploying.select(store_leaf(gateway, leaf, Origin.IMPORTED), gateway, timezone.now())
    assert caught.value.problem.code == "certificate-from-staging"
    assert state(gateway) == (None, CertificateSource.LETS_ENCRYPT, "")


def test_a_wildcard_fits(gateway: Gateway) -> None:
    chosen = store_leaf(gateway, make_chain("*.example.com"), Origin.IMPORTED)
    deploying.select(chosen, gateway, timezone.now())
    assert state(gateway)[0] == chosen


def test_when_the_files_cannot_be_written_the_row_says_what_it_said(gateway: Gateway) -> None:
    deploying.select(begun(1, gateway), gateway, timezone.now())
    before = state(gateway)[:2]
    break_live(gateway)
    with pytest.raises(ProblemError) as caught:
        deploying.select(begun(2, gateway, Origin.IMPORTED), gateway, timezone.now())
    assert caught.value.problem.code == "certificate-files-not-written"
    assert state(gateway)[:2] == before
    assert Event.objects.filter(code="certificate-selected").count() == 1


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin.LETS_ENCRYPT, "automatic renewal is on."),
        (Origin.IMPORTED, "The certificate source is now Manual, so automatic renewal is off."),
    ],
)
def test_the_log_says_who_selected_what_and_what_follows(
    gateway: Gateway, origin: Origin, words: str
) -> None:
    deploying.select(begun(1, gateway, origin), gateway, timezone.now(), by="ada")
    message = Event.objects.get().message
    assert message.startswith("The certificate from Test Issuer was selected by ada.")
    assert message.endswith(words)


# Install


def test_an_issued_certificate_is_put_to_use(gateway: Gateway) -> None:
    certificate = begun(1, gateway)
    assert deploying.install(gateway, certificate, timezone.now())
    assert state(gateway) == (certificate, CertificateSource.LETS_ENCRYPT, certificate.chain_pem)
    assert Event.objects.get().code == "certificate-installed"


def test_installing_again_does_no_harm(gateway: Gateway) -> None:
    certificate = begun(1, gateway)
    for _ in range(2):
        assert deploying.install(gateway, certificate, timezone.now())
    assert state(gateway)[2] == certificate.chain_pem


def test_what_was_selected_manually_meanwhile_stays_in_use(gateway: Gateway) -> None:
    stale = Gateway.objects.get(pk=gateway.pk)
    chosen = begun(5, gateway, Origin.IMPORTED)
    deploying.select(chosen, gateway, timezone.now())
    assert not deploying.install(stale, begun(1, gateway), timezone.now())
    assert state(gateway) == (chosen, CertificateSource.MANUAL, chosen.chain_pem)
    assert "selected manually" in Event.objects.get(code="certificate-not-installed").message


def test_when_installing_fails_the_row_says_what_is_in_use(gateway: Gateway) -> None:
    deploying.install(gateway, begun(5, gateway), timezone.now())
    before = state(gateway)[:2]
    break_live(gateway)
    with pytest.raises(ProblemError):
        deploying.install(gateway, begun(1, gateway), timezone.now())
    assert state(gateway)[:2] == before


# Import


def test_an_imported_certificate_is_stored_and_not_put_to_use(gateway: Gateway) -> None:
    leaf = make_chain("mail.example.com")
    imported = importing.ImportedCertificate(pem.facts(leaf.chain), leaf.key_der)
    certificate, notes = adding.add_imported(gateway, imported, timezone.now(), by="ada")
    assert notes == []
    assert certificate.origin == Origin.IMPORTED
    assert state(gateway) == (None, CertificateSource.LETS_ENCRYPT, "")
    assert Event.objects.get().message == (
        "A certificate for mail.example.com was imported by ada."
    )


@pytest.mark.parametrize(
    ("names", "days_ago", "code"),
    [
        (["mail.example.com"], 1, "names-do-not-match"),
        (["mail.example.com", "smtp.example.com"], 100, "certificate-expired"),
        (["mail.example.com", "smtp.example.com"], -2, "certificate-not-yet-valid"),
    ],
)
def test_what_would_keep_it_from_being_used_is_noted(
    gateway: Gateway, names: list[str], days_ago: int, code: str
) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    leaf = make_chain(*names, begin=timezone.now() - days_ago * DAY)
    imported = importing.ImportedCertificate(pem.facts(leaf.chain), leaf.key_der)
    _, notes = adding.add_imported(gateway, imported, timezone.now())
    assert [note.code for note in notes] == [code]


# Back to Let's Encrypt


def test_returning_takes_the_newest_issued_one_into_use(gateway: Gateway) -> None:
    begun(30, gateway)
    newest = begun(3, gateway)
    deploying.select(begun(1, gateway, Origin.IMPORTED), gateway, timezone.now())
    deploying.return_to_lets_encrypt(gateway, timezone.now(), by="ada")
    assert state(gateway) == (newest, CertificateSource.LETS_ENCRYPT, newest.chain_pem)
    assert "by ada" in Event.objects.get(code="source-lets-encrypt").message


@pytest.mark.parametrize("expired", [True, False])
def test_without_a_usable_issued_one_the_present_one_stays_in_use(
    gateway: Gateway, expired: bool
) -> None:
    if expired:
        begun(91, gateway)
    chosen = begun(1, gateway, Origin.IMPORTED)
    deploying.select(chosen, gateway, timezone.now())
    deploying.return_to_lets_encrypt(gateway, timezone.now())
    assert state(gateway) == (chosen, CertificateSource.LETS_ENCRYPT, chosen.chain_pem)


def test_when_returning_fails_the_source_stays_manual(gateway: Gateway) -> None:
    begun(3, gateway)
    deploying.select(begun(1, gateway, Origin.IMPORTED), gateway, timezone.now())
    before = state(gateway)[:2]
    break_live(gateway)
    with pytest.raises(ProblemError):
        deploying.return_to_lets_encrypt(gateway, timezone.now())
    assert state(gateway)[:2] == before
    assert not Event.objects.filter(level=Level.ERROR).exists()


# Repair


def test_files_in_order_are_left_alone(gateway: Gateway) -> None:
    deploying.install(gateway, begun(1, gateway), timezone.now())
    before = store.live_directory(gateway).readlink()
    assert repairing.repair(timezone.now()) == 0
    assert store.live_directory(gateway).readlink() == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"somebody's", None])
def test_files_that_are_not_the_selected_ones_are_written_again(
    gateway: Gateway, content: bytes | None
) -> None:
    certificate = begun(1, gateway)
    deploying.install(gateway, certificate, timezone.now())
    file = store.live_directory(gateway) / "cert.pem"
    if content is None:
        store.live_directory(gateway).unlink()
    else:
        file.write_bytes(content)
    assert repairing.repair(timezone.now()) == 1
    assert file.read_text() in certificate.chain_pem
    assert in_use(gateway) == certificate.chain_pem
    assert Event.objects.filter(level=Level.WARNING).count() == 1


def test_the_files_of_another_certificate_are_replaced(gateway: Gateway) -> None:
    old, new = begun(5, gateway), begun(1, gateway)
    deploying.install(gateway, old, timezone.now())
    Gateway.objects.update(selected_certificate=new)
    assert repairing.repair(timezone.now()) == 1
    assert in_use(gateway) == new.chain_pem


def test_one_gateway_that_cannot_be_repaired_does_not_keep_the_others_from_it(
    gateway: Gateway,
) -> None:
    other = make_gateway("other", "other.example.com")
    for each in (gateway, other):
        deploying.install(each, begun(1, each), timezone.now())
        store.live_directory(each).unlink()
    break_live(gateway)
    (store.live_directory(gateway) / "cert.pem").mkdir()
    assert repairing.repair(timezone.now()) == 1
    assert in_use(other) != ""
    assert Event.objects.filter(level=Level.ERROR).count() == 1
