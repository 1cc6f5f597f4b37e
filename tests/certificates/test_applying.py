from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from certificates import adding, applying, deploying, importing, keys, pem, store, versions
from certificates.applying import RequestRejectedError, Subject
from certificates.models import Certificate, CertificateRequest, Event, Gateway, Origin
from certificates.policy.keys import KeyType
from challenges.problems import ProblemError
from tests.certificates.chains import (
    DAYS_90,
    Link,
    PrivateKey,
    make_authority,
    make_chain,
    make_leaf,
)
from tests.console import make_gateway

ISSUER = make_authority("Some CA", make_authority())


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


def ask(gateway: Gateway, *names: str, **particulars: str) -> CertificateRequest:
    """A request that an administrator makes."""
    kind = KeyType.ECDSA_P256.value
    return applying.create(gateway, names, kind, Subject(**particulars), timezone.now(), by="ada")


def key_of(request: CertificateRequest) -> PrivateKey:
    """What the CA never sees."""
    return keys.load_der(applying.kept_key(request.gateway, request.spki_sha256))


def issued(request: CertificateRequest, *names: str) -> Link:
    """What a CA makes of the request."""
    return make_leaf(*(names or request.names), above=ISSUER, key=key_of(request))


def answered(request: CertificateRequest, *names: str) -> Certificate:
    """The certificate that came of it."""
    answer = issued(request, *names)
    return applying.answer(request, [answer.pem, ISSUER.chain_pem], timezone.now(), by="ada")[0]


# Asking


def test_a_request_is_a_key_that_stays_here_and_a_csr(gateway: Gateway) -> None:
    request = ask(gateway, organization="Example GmbH", country="de")
    request.refresh_from_db()
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=mail.example.com,O=Example GmbH,C=DE"
    assert keys.spki_sha256(csr.public_key()) == request.spki_sha256
    assert keys.spki_sha256(key_of(request).public_key()) == request.spki_sha256
    assert "PRIVATE" not in request.sealed_key
    assert request.subject == {"organization": "Example GmbH", "country": "DE"}


def test_the_csr_holds_all_names(gateway: Gateway) -> None:
    request = ask(gateway, "mail.example.com", "*.example.com")
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    held = extension.value.get_values_for_type(x509.DNSName)
    assert held == request.names == ["mail.example.com", "*.example.com"]


def test_the_key_is_of_the_type_that_was_chosen(gateway: Gateway) -> None:
    request = applying.create(gateway, (), "rsa-2048", Subject(), timezone.now())
    assert isinstance(key_of(request), rsa.RSAPrivateKey)


def test_what_cannot_stand_in_a_request_stores_nothing(gateway: Gateway) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        ask(gateway, "mx", country="Germany")
    assert sorted(caught.value.errors) == ["country", "names"]
    assert not CertificateRequest.objects.exists()
    assert not Event.objects.exists()


def test_the_log_says_who_asked_for_what(gateway: Gateway) -> None:
    request = ask(gateway)
    assert Event.objects.get().message == (
        f"The certificate request number {request.pk} for mail.example.com was created by ada."
    )


# The answer


def test_the_answer_becomes_a_certificate_with_the_key_that_was_kept(gateway: Gateway) -> None:
    request = ask(gateway)
    certificate = answered(request)
    request.refresh_from_db()
    assert certificate.origin == Origin.REQUESTED
    assert request.certificate == certificate
    assert pem.split(certificate.chain_pem.encode())[1] == ISSUER.certificate
    assert store.private_key(certificate) == keys.to_der(key_of(request))


def test_it_can_be_used(gateway: Gateway) -> None:
    certificate = answered(ask(gateway))
    deploying.select(certificate, gateway, timezone.now())
    live = store.live_directory(gateway)
    assert (live / "fullchain.pem").read_text() == certificate.chain_pem
    assert (live / "privkey.pem").exists()


def test_an_answer_that_lacks_some_names_is_stored_and_says_so(gateway: Gateway) -> None:
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    request = ask(gateway)
    answer = issued(request, "mail.example.com")
    files = [answer.pem, ISSUER.chain_pem]
    _certificate, notes = applying.answer(request, files, timezone.now())
    assert "names-do-not-match" in {note.code for note in notes}


def test_the_answer_to_another_request_is_refused_and_that_one_is_named(gateway: Gateway) -> None:
    request = ask(gateway)
    other = ask(make_gateway("shop", "shop.example.com"))
    with pytest.raises(ProblemError) as caught:
        applying.answer(request, [issued(other).chain_pem], timezone.now())
    assert caught.value.problem.code == "certificate-for-another-request"
    assert f"request number {other.pk} of the gateway shop" in caught.value.problem.explanation
    assert not Certificate.objects.exists()


@pytest.mark.parametrize("with_its_key", [False, True])
def test_a_certificate_for_no_request_is_refused(gateway: Gateway, with_its_key: bool) -> None:
    request, stranger = ask(gateway), make_chain("mail.example.com")
    files = [stranger.chain_pem, *([stranger.key_pem()] if with_its_key else [])]
    with pytest.raises(ProblemError) as caught:
        applying.answer(request, files, timezone.now())
    assert caught.value.problem.code == "certificate-for-another-request"
    assert not Certificate.objects.exists()


def test_what_is_no_certificate_is_refused_with_the_readers_words(gateway: Gateway) -> None:
    with pytest.raises(ProblemError) as caught:
        applying.answer(ask(gateway), [b"Dear customer"], timezone.now())
    assert caught.value.problem.code == "file-not-recognized"


def test_a_second_answer_is_a_new_version_of_the_first(gateway: Gateway) -> None:
    request = ask(gateway)
    first, second = answered(request), answered(request)
    request.refresh_from_db()
    assert request.certificate == second
    assert versions.of(first) == [second, first]


def test_a_second_answer_is_in_use_at_once_where_the_first_was(gateway: Gateway) -> None:
    request = ask(gateway)
    deploying.select(answered(request), gateway, timezone.now())
    second = answered(request)
    gateway.refresh_from_db()
    assert gateway.selected_certificate == second
    file = store.live_directory(gateway) / "fullchain.pem"
    assert file.read_text() == second.chain_pem


def test_the_same_answer_twice_is_one_certificate(gateway: Gateway) -> None:
    request = ask(gateway)
    files = [issued(request).pem, ISSUER.chain_pem]
    first, second = (applying.answer(request, files, timezone.now())[0] for _ in range(2))
    assert first == second
    assert Certificate.objects.count() == 1


def test_an_answer_to_a_request_that_was_discarded_meanwhile_is_refused(gateway: Gateway) -> None:
    request = ask(gateway)
    answer = issued(request)
    stale = CertificateRequest.objects.get()
    # The file was read when the request was still there.
    imported = importing.ImportedCertificate(pem.facts(answer.chain), None)
    applying.discard(request, timezone.now())
    with pytest.raises(ProblemError) as caught:
        adding.add_imported(gateway, imported, timezone.now())
    assert caught.value.problem.code == "no-key-found"
    with pytest.raises(ProblemError) as caught:
        applying.answer(stale, [answer.pem, answer.key_pem()], timezone.now())
    assert caught.value.problem.code == "certificate-request-gone"
    assert not Certificate.objects.exists()


# Discarding


def test_what_was_discarded_is_gone_with_its_key_once(gateway: Gateway) -> None:
    request = ask(gateway)
    for _ in range(2):
        applying.discard(
            CertificateRequest(pk=request.pk, gateway=gateway, names=[]), timezone.now()
        )
    assert not CertificateRequest.objects.exists()
    assert applying.known_keys(gateway) == set()
    assert Event.objects.filter(code="certificate-request-discarded").count() == 1


def test_a_certificate_outlives_its_request(gateway: Gateway) -> None:
    request = ask(gateway)
    certificate = answered(request)
    applying.discard(request, timezone.now())
    certificate.refresh_from_db()
    assert store.private_key(certificate)
    assert deploying.why_not_selectable(certificate, gateway, timezone.now()) is None


# Keys that are kept


def test_an_import_without_a_key_finds_the_requests(gateway: Gateway) -> None:
    request = ask(gateway)
    imported = importing.read([issued(request).chain_pem], known_keys=applying.known_keys(gateway))
    certificate, _notes = adding.add_imported(gateway, imported, timezone.now())
    request.refresh_from_db()
    assert imported.key_der is None
    assert certificate.origin == Origin.REQUESTED
    assert request.certificate == certificate


def test_an_import_without_a_key_finds_an_earlier_certificates(gateway: Gateway) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = make_leaf("mail.example.com", above=ISSUER, key=key)
    store.add(gateway, pem.facts(first.chain), first.key_der, Origin.IMPORTED)
    again = make_leaf("mail.example.com", above=ISSUER, key=key)
    assert applying.known_keys(gateway) == {keys.spki_sha256(key.public_key())}
    imported = importing.ImportedCertificate(pem.facts(again.chain), None)
    certificate, _notes = adding.add_imported(gateway, imported, timezone.now())
    assert certificate.origin == Origin.IMPORTED
    assert store.private_key(certificate) == first.key_der


def test_another_gateways_keys_are_not_known(gateway: Gateway) -> None:
    request = ask(make_gateway("shop", "shop.example.com"))
    assert applying.known_keys(gateway) == set()
    with pytest.raises(ProblemError) as caught:
        applying.kept_key(gateway, request.spki_sha256)
    assert caught.value.problem.code == "no-key-found"


def test_a_kept_key_that_does_not_open_says_so(gateway: Gateway) -> None:
    request = ask(gateway)
    CertificateRequest.objects.update(sealed_key="v1.00000000.AAAA")
    with pytest.raises(ProblemError) as caught:
        applying.kept_key(gateway, request.spki_sha256)
    assert caught.value.problem.code == "sealed-secret-unreadable"


def test_a_request_can_be_signed_by_a_real_ca_from_its_text(gateway: Gateway) -> None:
    """As the CA does it: from the CSR alone, without a look at what is stored here."""
    request = ask(gateway)
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    begin = timezone.now()
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(ISSUER.certificate.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + DAYS_90)
        .add_extension(names.value, critical=False)
        .sign(ISSUER.key, hashes.SHA256())
    )
    text = pem.to_pem([ISSUER.certificate, certificate]).encode()
    stored, _notes = applying.answer(request, [text], timezone.now())
    assert stored.serial == f"{certificate.serial_number:x}"
