"""The operator's commands for certificates by hand: what they answer and how they end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.core.management.base import CommandError
from django.utils import timezone

from certificates import applying, deploying, directories, keys, plans, tasks
from certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateSource,
    Event,
    FollowedFiles,
    Gateway,
    Issuance,
    Origin,
    Pause,
)
from certificates.policy.issuance import Environment, State
from certificates.policy.refusal import Scope
from challenges.problems import Problem, ProblemError, Severity
from gateway_admin.management.commands import (
    answer_request,
    configure,
    create_request,
    create_self_signed,
    import_certificate,
    select_certificate,
    status,
)
from gateway_admin.management.operating import OperatorCommand
from tests.certificates.chains import Link, make_authority, make_chain, make_leaf, store_leaf
from tests.certificates.engine import DAY
from tests.console import make_certificate, make_gateway, make_issuance

ISSUER = make_authority("Some CA")


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


@pytest.fixture(autouse=True)
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The issuances that a worker was nudged towards; no broker is asked."""
    nudges: list[int] = []
    monkeypatch.setattr(tasks.advance, "delay", nudges.append)
    return nudges


def said(command: type[OperatorCommand], words: Sequence[object]) -> str:
    """What the command says on standard output. Raises what it ends with."""
    out = StringIO()
    running = command(stdout=out, stderr=out, no_color=True)
    name = command.__module__.rpartition(".")[2]
    parser = running.create_parser("manage.py", name)
    running.carry_out(vars(parser.parse_args([str(word) for word in words])))
    return out.getvalue()


def answer(command: type[OperatorCommand], *words: object) -> dict[str, Any]:
    """Its JSON document."""
    document: dict[str, Any] = json.loads(said(command, [*words, "--json"]))
    return document


def apart(command: type[OperatorCommand], *words: object) -> tuple[dict[str, Any], str]:
    """Its JSON document, and what it says on standard error."""
    out, err = StringIO(), StringIO()
    running = command(stdout=out, stderr=err, no_color=True)
    parser = running.create_parser("manage.py", "command")
    running.carry_out(vars(parser.parse_args([str(word) for word in words])))
    return json.loads(out.getvalue()), err.getvalue()


def refusal(command: type[OperatorCommand], *words: object) -> str:
    """In the words that end on standard error."""
    with pytest.raises((CommandError, ProblemError)) as caught:
        said(command, words)
    return str(caught.value)


def files(leaf: Link, directory: Path, *, with_key: bool = True) -> list[Path]:
    """The leaf's chain and key as a CA's customer keeps them."""
    found = [directory / "chain.pem", directory / "key.pem"]
    found[0].write_bytes(leaf.chain_pem)
    found[1].write_bytes(leaf.key_pem())
    return found if with_key else found[:1]


# create_self_signed


def test_a_self_signed_certificate_is_made_and_said_to_be_trusted_by_nobody(
    gateway: Gateway,
) -> None:
    document = answer(create_self_signed.Command)
    gateway.refresh_from_db()
    assert document["certificate"]["origin"] == "self-signed"
    assert document["certificate"]["id"] == Certificate.objects.get().pk
    assert [note["code"] for note in document["notes"]] == ["certificate-self-signed"]
    assert gateway.selected_certificate is None
    assert "other computers do not trust it" in said(create_self_signed.Command, [])


def test_it_is_used_if_asked_for_another_gateway(db: None) -> None:
    shop = make_gateway("shop", "shop.example.com")
    document = answer(create_self_signed.Command, "--gateway", "shop", "--select")
    shop.refresh_from_db()
    assert document["certificate"]["names"] == ["shop.example.com"]
    assert shop.selected_certificate == Certificate.objects.get()
    assert shop.certificate_source == CertificateSource.MANUAL


# create_request


def test_a_request_is_made_for_all_names_and_handed_out(gateway: Gateway) -> None:
    document = answer(create_request.Command, "--organization", "Example GmbH", "--country", "de")
    request = CertificateRequest.objects.get()
    csr = x509.load_pem_x509_csr(document["request"]["csr_pem"].encode())
    assert document["request"]["id"] == request.pk
    assert document["request"]["names"] == ["mail.example.com"]
    assert document["request"]["certificate"] is None
    assert csr.subject.rfc4514_string() == "CN=mail.example.com,O=Example GmbH,C=DE"
    assert "key" not in {*document["request"]} - {"key_type"}


def test_without_a_file_the_request_is_said_and_a_ca_can_read_it(gateway: Gateway) -> None:
    text = said(create_request.Command, ["--names", "mail.example.com,*.example.com"])
    assert text.startswith("Made certificate request ")
    begin = text.index("-----BEGIN")
    assert x509.load_pem_x509_csr(text[begin:].encode()).is_signature_valid


def test_with_a_file_the_request_is_written_there(gateway: Gateway, tmp_path: Path) -> None:
    output = tmp_path / "mail.csr"
    text = said(create_request.Command, ["--output", output, "--key-type", "rsa-2048"])
    assert "BEGIN" not in text
    assert output.read_text() == CertificateRequest.objects.get().csr_pem


def test_a_request_that_cannot_be_written_is_not_made(gateway: Gateway, tmp_path: Path) -> None:
    words = refusal(create_request.Command, "--output", tmp_path / "nowhere" / "mail.csr")
    assert "cannot be written" in words
    assert not CertificateRequest.objects.exists()


def test_each_option_that_cannot_be_used_is_a_line(gateway: Gateway) -> None:
    words = refusal(create_request.Command, "--names", "mx", "--country", "Germany")
    assert [line.partition(":")[0] for line in words.splitlines()] == ["--names", "--country"]
    assert not CertificateRequest.objects.exists()


# answer_request


def test_the_cas_answer_becomes_a_certificate_and_is_used_if_asked(
    gateway: Gateway, tmp_path: Path
) -> None:
    answer(create_request.Command)
    request = CertificateRequest.objects.get()
    key = keys.load_der(applying.kept_key(gateway, request.spki_sha256))
    leaf = make_leaf("mail.example.com", above=ISSUER, key=key)
    brought = files(leaf, tmp_path, with_key=False)
    document = answer(answer_request.Command, request.pk, *brought, "--select")
    gateway.refresh_from_db()
    assert document["certificate"]["origin"] == "requested"
    assert gateway.selected_certificate == Certificate.objects.get()


@pytest.mark.parametrize("exists", [True, False])
def test_what_answers_no_request_is_refused(gateway: Gateway, tmp_path: Path, exists: bool) -> None:
    if exists:
        answer(create_request.Command)
    request = CertificateRequest.objects.first()
    brought = files(make_chain("mail.example.com"), tmp_path)
    words = refusal(answer_request.Command, request.pk if request else 1, *brought)
    assert ("was not issued for this request" in words) is exists
    assert ("There is no certificate request 1." in words) is not exists
    assert not Certificate.objects.exists()


# import_certificate --replace, select_certificate


def test_a_new_version_takes_the_place_of_the_one_in_use(gateway: Gateway, tmp_path: Path) -> None:
    old = store_leaf(gateway, origin=Origin.IMPORTED)
    deploying.select(old, gateway, timezone.now())
    brought = files(make_chain("mail.example.com"), tmp_path)
    document = answer(import_certificate.Command, *brought, "--replace", old.pk)
    gateway.refresh_from_db()
    assert gateway.selected_certificate_id == document["certificate"]["id"] != old.pk


def test_what_is_another_gateways_cannot_be_replaced_or_selected(
    gateway: Gateway, tmp_path: Path
) -> None:
    other = store_leaf(make_gateway("shop", "shop.example.com"), origin=Origin.IMPORTED)
    brought = files(make_chain("mail.example.com"), tmp_path)
    sentence = f"default has no certificate {other.pk}."
    assert refusal(import_certificate.Command, *brought, "--replace", other.pk) == sentence
    assert refusal(select_certificate.Command, other.pk) == sentence
    assert Certificate.objects.count() == 1


def test_the_key_of_a_request_need_not_be_among_the_files(gateway: Gateway, tmp_path: Path) -> None:
    answer(create_request.Command)
    request = CertificateRequest.objects.get()
    key = keys.load_der(applying.kept_key(gateway, request.spki_sha256))
    leaf = make_leaf("mail.example.com", above=ISSUER, key=key)
    document = answer(import_certificate.Command, *files(leaf, tmp_path, with_key=False))
    request.refresh_from_db()
    assert request.certificate_id == document["certificate"]["id"]


# configure


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (["--keep-key"], False, True),
        (["--no-keep-key"], True, False),
        (["--rehearse", "on"], True, True),
        (["--rehearse", "on"], False, False),
    ],
)
def test_whether_the_key_is_kept_is_an_option(
    gateway: Gateway, words: list[str], before: bool, after: bool
) -> None:
    Gateway.objects.update(keeps_key=before)
    assert answer(configure.Command, *words)["gateway"]["keeps_key"] is after


def test_a_return_to_lets_encrypt_begins_at_once_what_is_due(
    gateway: Gateway,
    nudged: list[int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    issued = store_leaf(gateway, make_chain(*gateway.names, begin=timezone.now() - 70 * DAY))
    plans.schedule(issued)
    deploying.select(store_leaf(gateway, origin=Origin.IMPORTED), gateway, timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        document = answer(configure.Command, "--certificate-source", "lets-encrypt")
    begun = Issuance.objects.get()
    assert nudged == [begun.pk]
    assert document["issuance"]["id"] == document["gateway"]["last_issuance"]["id"] == begun.pk
    assert document["held_back"] is None
    assert document["gateway"]["certificate"]["id"] == issued.pk
    assert document["gateway"]["next_renewal"]["reason"]


def test_a_return_to_lets_encrypt_that_cannot_begin_says_why_and_is_stored(
    gateway: Gateway,
) -> None:
    imported = store_leaf(gateway, origin=Origin.IMPORTED)
    deploying.select(imported, gateway, timezone.now())
    words = ["--certificate-source", "lets-encrypt"]
    Gateway.objects.update(terms_agreed_at=None, certificate_source="lets-encrypt")
    assert answer(configure.Command, *words)["held_back"] is None, "nothing was changed"
    Gateway.objects.update(certificate_source="manual", terms_agreed_at=timezone.now())
    Pause.objects.create(
        directory_url=directories.url_of(Environment.PRODUCTION),
        scope=Scope.CA.value,
        until=timezone.now() + DAY,
        problem_facts=Problem("acme-rate-limited", Severity.ERROR, "Wait.").to_json(),
    )
    text = said(configure.Command, words)
    assert "no certificate could be asked for yet" in text
    assert "The CA asked not to be asked again before" in text
    Gateway.objects.update(certificate_source="manual")
    document, reason = apart(configure.Command, *words, "--json")
    assert document["issuance"] is None
    assert document["held_back"]["code"] == "ca-asked-to-wait"
    assert document["gateway"]["certificate_source"] == "lets-encrypt"
    assert "not from Let's Encrypt" in document["gateway"]["next_renewal"]["reason"]
    assert reason.startswith("The CA asked not to be asked again before")


def test_any_other_setting_tells_of_the_last_issuance_and_of_none_that_was_begun(
    gateway: Gateway,
) -> None:
    last = make_issuance(gateway, State.DONE)
    document = answer(configure.Command, "--contact-email", "a@example.com")
    assert document["gateway"]["last_issuance"]["id"] == last.pk
    assert (document["issuance"], document["held_back"]) == (None, None)


# status


def test_the_status_says_why_renewal_is_off_and_what_is_followed(gateway: Gateway) -> None:
    (told,) = answer(status.Command)["gateways"]
    assert (told["renewal_off"], told["followed_files"]) == (None, None)
    imported = store_leaf(gateway, origin=Origin.IMPORTED)
    deploying.select(imported, gateway, timezone.now())
    FollowedFiles.objects.create(
        gateway=gateway, certificate_path="/srv/tls/chain.pem", certificate=imported
    )
    (told,) = answer(status.Command)["gateways"]
    assert told["renewal_off"].startswith("Automatic renewal is off because")
    assert told["followed_files"]["certificate_path"] == "/srv/tls/chain.pem"
    assert told["followed_files"]["certificate"]["id"] == imported.pk
    assert "renewal off, follows /srv/tls/chain.pem" in said(status.Command, [])


@pytest.mark.django_db
def test_the_status_asks_no_more_of_the_database_for_more_gateways(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        row = make_gateway(f"g{number}", f"g{number}.example.com")
        imported = make_certificate(row, Origin.IMPORTED, select=True)
        FollowedFiles.objects.create(gateway=row, certificate_path="/x", certificate=imported)
    with django_assert_max_num_queries(14):
        answer(status.Command)


# --select of what cannot be selected


def nothing_is_stored(gateway: Gateway) -> bool:
    """Neither a row nor a line of the log."""
    gateway.refresh_from_db()
    return not (
        Certificate.objects.exists()
        or Event.objects.filter(code__startswith="certificate-i").exists()
        or gateway.selected_certificate
    )


def test_an_import_that_is_to_be_used_and_cannot_be_stores_nothing(
    gateway: Gateway, tmp_path: Path
) -> None:
    begin = timezone.now() - 100 * DAY
    leaf = make_chain(*gateway.names, begin=begin, lifetime=90 * DAY)
    words = refusal(import_certificate.Command, *files(leaf, tmp_path), "--select")
    assert "expired on" in words
    assert nothing_is_stored(gateway)
    # Without --select it is kept, as before.
    assert "expired on" in said(import_certificate.Command, files(leaf, tmp_path))
    assert Certificate.objects.exists()


def test_an_answer_that_is_to_be_used_and_cannot_be_stores_nothing(
    gateway: Gateway, tmp_path: Path
) -> None:
    answer(create_request.Command)
    request = CertificateRequest.objects.get()
    key = keys.load_der(applying.kept_key(gateway, request.spki_sha256))
    begin = timezone.now() - 100 * DAY
    leaf = make_leaf(
        *gateway.names,
        above=ISSUER,
        key=key,
        begin=begin,
        lifetime=90 * DAY,
    )
    file = tmp_path / "answer.pem"
    file.write_bytes(leaf.chain_pem)
    assert "expired on" in refusal(answer_request.Command, request.pk, file, "--select")
    assert nothing_is_stored(gateway)
    assert CertificateRequest.objects.get().certificate is None


def test_a_self_signed_one_whose_files_cannot_be_written_is_not_made(
    gateway: Gateway, data_dir: Path
) -> None:
    (data_dir / "archive").write_text("in the way")
    assert "could not be written" in refusal(create_self_signed.Command, "--select")
    assert nothing_is_stored(gateway)
    assert not Event.objects.filter(code="certificate-self-signed").exists()
