from __future__ import annotations

import base64
import contextlib
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import pem
from challenges.problems import ProblemError
from tests.certificates.chains import Link, make_authority, make_chain, make_leaf, new_key

ROOT = make_authority()
ISSUER = make_authority("Test Issuer", ROOT)
LEAF = make_leaf("MX.example.org", "*.example.net", above=ISSUER)


def leaf_from(begin: datetime.datetime, lifetime: datetime.timedelta) -> pem.ChainFacts:
    return pem.facts(
        make_leaf("mx.example.org", above=ISSUER, begin=begin, lifetime=lifetime).chain
    )


def test_the_facts_are_those_of_the_leaf() -> None:
    facts = pem.facts(LEAF.chain)
    assert facts.names == ("mx.example.org", "*.example.net")
    assert facts.subject == "CN=MX.example.org"
    assert facts.issuer == "Test Issuer"
    assert int(facts.serial, 16) == LEAF.certificate.serial_number
    assert facts.sha256 == LEAF.certificate.fingerprint(hashes.SHA256()).hex()
    assert facts.key_type == "ecdsa-p256"
    assert facts.not_after - facts.not_before == datetime.timedelta(days=90)
    assert facts.not_before.tzinfo is datetime.UTC
    assert facts.chain_pem.encode() == LEAF.chain_pem


def test_a_chain_survives_reading_and_writing() -> None:
    assert pem.split(LEAF.chain_pem) == LEAF.chain


def test_an_issuer_without_a_common_name_is_called_by_its_organization() -> None:
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example Trust")])
    now = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 5)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    facts = pem.facts([certificate])
    assert facts.issuer == "Example Trust"
    assert facts.names == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        LEAF.key_pem(),
        LEAF.pem[:-60],
    ],
)
def test_what_holds_no_certificate_is_unreadable(text: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        pem.split(text)
    assert caught.value.problem.code == "certificate-unreadable"


def test_a_chain_of_ten_is_read_and_one_of_eleven_is_not() -> None:
    assert len(pem.split(LEAF.pem * 10)) == 10
    with pytest.raises(ProblemError) as caught:
        pem.split(LEAF.pem * 11)
    assert caught.value.problem.code == "chain-too-long"


# Order


@pytest.mark.parametrize("chain", [LEAF.chain, LEAF.chain[:2], LEAF.chain[:1]])
def test_a_chain_in_order_is_accepted(chain: list[x509.Certificate]) -> None:
    pem.check_order(chain)


@pytest.mark.parametrize(
    "order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (0, 2), (0, 0), (0, 1, 1)], ids=str
)
def test_a_chain_out_of_order_is_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(ProblemError) as caught:
        pem.check_order([LEAF.chain[position] for position in order])
    assert caught.value.problem.code == "chain-out-of-order"


def test_an_issuer_of_the_same_name_and_another_key_is_refused() -> None:
    impostor = make_authority("Test Issuer", ROOT)
    assert impostor.certificate.subject == ISSUER.certificate.subject
    with pytest.raises(ProblemError) as caught:
        pem.check_order([LEAF.certificate, impostor.certificate])
    assert caught.value.problem.code == "chain-out-of-order"


# Key


def test_the_key_must_be_the_leafs() -> None:
    pem.check_key(LEAF.chain, LEAF.key.public_key())
    for other in (ISSUER.key, new_key()):
        with pytest.raises(ProblemError) as caught:
            pem.check_key(LEAF.chain, other.public_key())
        assert caught.value.problem.code == "key-does-not-match"


# Names


def test_missing_names_are_named() -> None:
    facts = pem.facts(LEAF.chain)
    pem.check_names(facts, ["mx.example.org", "a.example.net"])
    with pytest.raises(ProblemError) as caught:
        pem.check_names(facts, ["mx.example.org", "b.example.org", "example.net"])
    assert caught.value.problem.code == "names-do-not-match"
    assert caught.value.problem.explanation.endswith("does not cover b.example.org, example.net.")


def test_a_certificate_without_names_covers_nothing() -> None:
    facts = pem.facts(make_leaf(above=ISSUER).chain)
    with pytest.raises(ProblemError, match="no host name"):
        pem.check_names(facts, ["mx.example.org"])


@pytest.mark.parametrize(
    "wanted", [["mx.example.org", "*.example.net"], ["*.EXAMPLE.net", "MX.example.org", "x.y"]]
)
def test_only_names_that_were_asked_for_are_in_order(wanted: list[str]) -> None:
    pem.check_no_other_names(pem.facts(LEAF.chain), wanted)


def test_names_that_were_not_asked_for_are_named() -> None:
    with pytest.raises(ProblemError) as caught:
        pem.check_no_other_names(pem.facts(LEAF.chain), ["mx.example.org", "a.example.net"])
    assert caught.value.problem.code == "names-do-not-match"
    assert caught.value.problem.explanation == (
        "The certificate is also for *.example.net, which was not asked for."
    )


# Where it comes from


@pytest.mark.parametrize(
    "issuer",
    [
        "(STAGING) Wannabe Watercress R11",
        "(Staging) Puzzling Parsnip E7",
        "Fake LE Intermediate X1",
    ],
)
def test_a_certificate_of_the_staging_environment_is_refused(issuer: str) -> None:
    facts = pem.facts(make_leaf("mx.example.org", above=make_authority(issuer, ROOT)).chain)
    with pytest.raises(ProblemError) as caught:
        pem.check_not_staging(facts)
    assert caught.value.problem.code == "certificate-from-staging"
    assert issuer in caught.value.problem.explanation


@pytest.mark.parametrize(
    "issuer", ["R13", "YE2", "Pebble Intermediate CA 0c5d36", "Staging Posts Ltd"]
)
def test_a_certificate_of_any_other_ca_is_not_called_a_test(issuer: str) -> None:
    leaf = make_leaf("mx.example.org", above=make_authority(issuer, ROOT))
    pem.check_not_staging(pem.facts(leaf.chain))


# The renewal identifier (RFC 9773 §4.1)

KEY_IDENTIFIER = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")


def with_identifier(key_identifier: bytes | None, serial: int) -> x509.Certificate:
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    issuer = [x509.DNSName("x")] if key_identifier is None else None
    authority = x509.AuthorityKeyIdentifier(key_identifier, issuer, 1 if issuer else None)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(authority, critical=False)
        .sign(key, hashes.SHA256())
    )


def test_the_renewal_identifier_is_that_of_the_rfcs_example() -> None:
    certificate = with_identifier(KEY_IDENTIFIER, 0x87654321)
    assert pem.renewal_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@pytest.mark.parametrize(
    ("serial", "expected"),
    [(1, "AQ"), (0x7F, "fw"), (0x80, "AIA"), (0xFF, "AP8"), (0x100, "AQA"), (0x7FFF, "f_8")],
)
def test_the_serial_is_written_as_der_does_it(serial: int, expected: str) -> None:
    certificate = with_identifier(KEY_IDENTIFIER, serial)
    assert pem.renewal_id(certificate).partition(".")[2] == expected


@settings(deadline=None)
@given(st.integers(1, 2**159 - 1), st.binary(min_size=1, max_size=40))
def test_a_renewal_identifier_leads_back_to_serial_and_key(serial: int, identifier: bytes) -> None:
    parts = pem.renewal_id(with_identifier(identifier, serial)).split(".")
    assert not any("=" in part for part in parts)
    key_bytes, serial_bytes = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts
    )
    assert key_bytes == identifier
    assert int.from_bytes(serial_bytes, "big", signed=True) == serial
    assert len(serial_bytes) == 1 or serial_bytes[:2] != b"\0\0"


def test_without_its_issuers_key_a_certificate_has_no_renewal_identifier() -> None:
    assert pem.renewal_id(with_identifier(None, 5)) == ""
    assert pem.renewal_id(with_identifier(b"", 5)) == ""


# Validity

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("begin", "lifetime", "code"),
    [
        (NOW - HOUR, 90 * 24 * HOUR, None),
        (NOW - 2 * HOUR, 2 * HOUR + SECOND, None),
        (NOW - 2 * HOUR, 2 * HOUR, "certificate-expired"),
        (NOW - 100 * HOUR, 2 * HOUR, "certificate-expired"),
        (NOW + HOUR, 90 * 24 * HOUR, None),
        (NOW + HOUR + SECOND, 90 * 24 * HOUR, "certificate-not-yet-valid"),
    ],
)
def test_it_must_be_valid_now_with_an_hour_of_tolerance_at_its_start(
    begin: datetime.datetime, lifetime: datetime.timedelta, code: str | None
) -> None:
    facts = leaf_from(begin, lifetime)
    if code is None:
        pem.check_validity(facts, NOW)
        return
    with pytest.raises(ProblemError) as caught:
        pem.check_validity(facts, NOW)
    assert caught.value.problem.code == code


# Hostile input


@given(st.binary(max_size=2000))
def test_no_bytes_end_in_anything_but_a_chain_or_a_problem(text: bytes) -> None:
    with pytest.raises(ProblemError):
        pem.split(text)


def damaged(link: Link) -> st.SearchStrategy[bytes]:
    """The certificate with a few of its bytes changed, as PEM again."""
    der = link.certificate.public_bytes(serialization.Encoding.DER)
    changes = st.dictionaries(st.integers(0, len(der) - 1), st.integers(0, 255), max_size=4)

    def change(at: dict[int, int]) -> bytes:
        raw = bytes(at.get(position, byte) for position, byte in enumerate(der))
        return to_pem(raw)

    return changes.map(change)


def to_pem(der: bytes) -> bytes:
    """Any bytes as if they were a certificate."""
    return ssl.DER_cert_to_PEM_cert(der).encode()


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(damaged(LEAF))
def test_a_damaged_certificate_is_refused_or_its_facts_can_be_told(text: bytes) -> None:
    with contextlib.suppress(ProblemError):
        chain = pem.split(text)
        assert pem.facts(chain).sha256
        pem.check_order([*chain, *make_chain("mx.example.org").chain])
