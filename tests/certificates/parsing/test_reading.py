"""Whatever order, mixture and disguise: one certificate with its chain and key, or one sentence."""

from __future__ import annotations

import base64
import datetime
import itertools
import re
import ssl
import time
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from certificates import keys, pem
from certificates.parsing import costs, der, refusals
from challenges.problems import ProblemError, Severity
from tests.certificates.chains import Link, make_authority, make_leaf
from tests.certificates.parsing.hostile import costly_files, encoded, keys_that_cost, nested_files
from tests.certificates.parsing.reader import code, material, read, refusal

ROOT = make_authority()
ISSUER = make_authority("Test Issuer", ROOT)
LEAF = make_leaf("mx.example.org", above=ISSUER)
RSA_LEAF = make_leaf("mx.example.org", above=ISSUER, key=rsa.generate_private_key(65537, 2048))
FORMS = serialization.PrivateFormat
PASSWORD = "päßword"
LEAF_SPKI = keys.spki_sha256(LEAF.key.public_key())


def openssl_encrypted(link: Link) -> bytes:
    """The form with Proc-Type lines."""
    return link.key_pem(FORMS.TraditionalOpenSSL, PASSWORD.encode())


def indented(text: bytes) -> bytes:
    """As it stands in a YAML file."""
    return b"".join(b"      " + line for line in text.splitlines(keepends=True))


# What can be imported


@pytest.mark.parametrize(
    "files",
    [
        *(
            [*order]
            for order in itertools.permutations([LEAF.key_pem(), LEAF.pem, ISSUER.pem, ROOT.pem])
        ),
        [LEAF.chain_pem + LEAF.key_pem()],
        [LEAF.key_pem() + LEAF.chain_pem],
        [ROOT.pem + LEAF.key_pem() + ISSUER.pem + LEAF.pem],
    ],
)
def test_certificates_and_key_come_in_any_order_and_in_any_number_of_files(
    files: list[bytes],
) -> None:
    imported = read(files)
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    assert imported.key_der == LEAF.key_der
    assert imported.notes == ()


@pytest.mark.parametrize(
    "decorate",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.decode().encode("utf-16-le"),
        lambda text: text.decode().encode("utf-16-be"),
        lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
        lambda text: text.replace(b"\n", b"\r\n").decode().encode("utf-16"),
        lambda text: b"Bag Attributes\n  friendlyName: m\xc3\xbc\nsubject=CN = mx\n" + text,
        lambda text: text.replace(b"-----\n-----", b"-----\nissuer=CN = mx\n\n-----"),
        lambda text: text.strip(),
        lambda text: text.replace(b"\n", b" "),
        lambda text: text.replace(b"\n", b"\\n"),
        lambda text: b"\n\n  \n" + text + b"\n\n",
        indented,
    ],
    ids=[
        "CRLF",
        "CR",
        "BOM",
        "UTF-16 of this machine",
        "UTF-16 LE without mark",
        "UTF-16 BE without mark",
        "UTF-16 BE",
        "UTF-16 with CRLF",
        "text before",
        "text between",
        "no last newline",
        "one line",
        "newlines in letters",
        "empty lines",
        "indented",
    ],
)
def test_what_programs_write_around_the_blocks_does_not_matter(
    decorate: Callable[[bytes], bytes],
) -> None:
    imported = read([decorate(LEAF.chain_pem), decorate(LEAF.key_pem())])
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    assert imported.key_der == LEAF.key_der


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_headers_of_an_encrypted_key_survive_foreign_newlines(newline: bytes) -> None:
    key = openssl_encrypted(RSA_LEAF).replace(b"\n", newline)
    assert read([RSA_LEAF.chain_pem, key], PASSWORD).key_der == RSA_LEAF.key_der


def test_base64_without_its_first_and_last_line_is_read() -> None:
    bare = [
        base64.encodebytes(LEAF.certificate.public_bytes(serialization.Encoding.DER)),
        b"\xef\xbb\xbf" + base64.b64encode(LEAF.key_der),
    ]
    assert read(bare).key_der == LEAF.key_der


def test_the_structure_decides_and_not_the_label() -> None:
    bundle = material("openssl/rsa.p7b.pem").replace(b"PKCS7", b"CERTIFICATE")
    key = material("openssl/rsa.pkcs1.pem").replace(b"RSA PRIVATE", b"PRIVATE")
    assert read([bundle, key]).chain.chain_pem.count("BEGIN") == 3


def test_strangers_are_left_out_and_named() -> None:
    other = make_authority("Somebody Else")
    imported = read([other.pem + LEAF.chain_pem, LEAF.key_pem()])
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    (note,) = imported.notes
    assert (note.code, note.severity) == ("certificates-left-out", Severity.INFO)
    assert "“Somebody Else”" in note.explanation


def test_a_certificate_or_key_that_is_there_twice_is_one() -> None:
    files = [LEAF.chain_pem * 2, LEAF.chain_pem, LEAF.key_pem(), LEAF.key_pem(), LEAF.key_der]
    imported = read(files)
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    assert imported.notes == ()
    # Eleven different ones would be too many.
    assert read([LEAF.chain_pem * 4, LEAF.key_pem()]).chain == imported.chain


def test_of_two_issuers_of_one_name_the_one_that_signed_is_taken() -> None:
    impostor = make_authority("Test Issuer", ROOT)
    imported = read([LEAF.pem + impostor.pem + ISSUER.pem + ROOT.pem, LEAF.key_pem()])
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem


def test_of_two_certificates_for_one_key_the_one_issued_last_is_taken() -> None:
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=60)
    older = make_leaf("mx.example.org", above=ISSUER, key=LEAF.key, begin=begin)
    for files in ([older.pem, LEAF.pem], [LEAF.pem, older.pem]):
        imported = read([*files, ISSUER.pem, ROOT.pem, LEAF.key_pem()])
        assert imported.chain.chain_pem.encode() == LEAF.chain_pem


def test_of_two_certificates_for_one_key_one_that_is_valid_now_is_taken() -> None:
    now = datetime.datetime.now(datetime.UTC)
    days = datetime.timedelta(days=1)
    expired = make_leaf(
        "mx.example.org", above=ISSUER, key=LEAF.key, begin=now - 3 * days, lifetime=days
    )
    future = make_leaf("mx.example.org", above=ISSUER, key=LEAF.key, begin=now + days)
    valid = make_leaf("mx.example.org", above=ISSUER, key=LEAF.key, begin=now - 30 * days)
    files = [expired.pem, future.pem, valid.pem, ISSUER.pem, ROOT.pem, LEAF.key_pem()]

    imported = read(files)
    assert imported.chain.sha256 == valid.certificate.fingerprint(hashes.SHA256()).hex()
    assert [note.code for note in imported.notes] == ["certificates-left-out"]
    # Where none is valid the latest one tells most.
    assert read([expired.pem, future.pem, *files[3:]]).chain.not_before > now


def test_a_self_signed_certificate_can_be_imported() -> None:
    imported = read([ROOT.pem, ROOT.key_pem()])
    assert imported.chain.chain_pem.encode() == ROOT.pem
    assert imported.notes == ()


@pytest.mark.parametrize("link", [LEAF, RSA_LEAF], ids=["ECDSA", "RSA"])
@pytest.mark.parametrize("form", [FORMS.PKCS8, FORMS.TraditionalOpenSSL])
@pytest.mark.parametrize("password", ["", PASSWORD])
def test_the_key_may_be_in_any_form_with_or_without_a_password(
    link: Link, form: serialization.PrivateFormat, password: str
) -> None:
    key = link.key_pem(form, password.encode())
    imported = read([link.chain_pem, key], password or None)
    assert imported.key_der == link.key_der


def test_a_password_of_windows_past_opens_the_key() -> None:
    key = LEAF.key_pem(FORMS.PKCS8, PASSWORD.encode("latin-1"))
    assert read([LEAF.chain_pem, key], PASSWORD).key_der == LEAF.key_der


def test_a_password_that_is_not_needed_does_no_harm() -> None:
    assert read([LEAF.chain_pem, LEAF.key_pem()], "not needed").key_der == LEAF.key_der


def test_a_key_that_is_kept_here_need_not_be_brought_along() -> None:
    imported = read([LEAF.chain_pem], known_keys={"00" * 32, LEAF_SPKI})
    assert imported.key_der is None
    assert imported.chain.spki_sha256 == LEAF_SPKI


def test_a_key_that_is_brought_along_comes_before_those_kept_here() -> None:
    files = [RSA_LEAF.chain_pem, LEAF.pem, RSA_LEAF.key_pem()]
    imported = read(files, known_keys={LEAF_SPKI})
    assert imported.key_der == RSA_LEAF.key_der


def test_the_key_is_in_no_representation() -> None:
    assert "key_der" not in repr(read([LEAF.chain_pem, LEAF.key_pem()]))


def test_curves_of_every_size_are_read() -> None:
    leaf = make_leaf("mx.example.org", above=ISSUER, key=ec.generate_private_key(ec.SECP521R1()))
    assert read([leaf.chain_pem, leaf.key_pem()]).chain.key_type == "ecdsa-p521"


# What cannot

PUBLIC_PEM = LEAF.key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
OPENSSH = LEAF.key.private_bytes(
    serialization.Encoding.PEM, FORMS.OpenSSH, serialization.NoEncryption()
)
KEY = LEAF.key_pem()
OTHER_KEY = ISSUER.key_pem()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([b""], "file-empty"),
        ([b" \r\n\t"], "file-empty"),
        ([LEAF.chain_pem, b""], "file-empty"),
        ([b"hello"], "file-not-recognized"),
        ([b"\x30\x03\x02\x01\x00"], "file-not-recognized"),
        ([b"-----BEGIN A-----"], "file-not-recognized"),
        ([b"<!DOCTYPE html><html>"], "file-is-web-page"),
        ([LEAF.chain_pem, b"\n<HTML>Please sign in"], "file-is-web-page"),
        ([b"PK\x03\x04rest"], "file-is-archive"),
        ([b"\xfe\xed\xfe\xed\x00\x00\x00\x02"], "java-keystore"),
        ([LEAF.chain_pem, OPENSSH], "ssh-key"),
        ([OPENSSH], "ssh-key"),
        ([LEAF.chain_pem, b"ssh-rsa AAAAB3NzaC1yc2E user"], "ssh-key"),
        ([LEAF.chain_pem, b"PuTTY-User-Key-File-3: ssh-rsa\r\n"], "putty-key"),
        (
            [
                LEAF.chain_pem,
                b"-----BEGIN PGP MESSAGE-----\n\nlQ==\n-----END PGP MESSAGE-----\n",
            ],
            "pgp-key",
        ),
        ([KEY], "no-certificate-found"),
        ([KEY + PUBLIC_PEM], "no-certificate-found"),
        ([LEAF.chain_pem], "no-key-found"),
        ([LEAF.chain_pem, PUBLIC_PEM], "public-key-instead-of-private-key"),
        ([LEAF.chain_pem, KEY + OTHER_KEY], "several-keys-found"),
        ([LEAF.chain_pem, KEY.replace(b"\nM", b"\nN")], "key-unreadable"),
        ([LEAF.chain_pem, KEY.replace(b"\nM", b"\n!")], "key-unreadable"),
        ([LEAF.chain_pem, KEY[:100]], "file-cut-off"),
        ([LEAF.chain_pem[:300], KEY], "file-cut-off"),
        ([ROOT.pem, KEY], "key-does-not-match"),
        ([LEAF.pem.replace(b"M", b"N"), KEY], "certificate-unreadable"),
        ([LEAF.pem + make_authority("Test Issuer").pem, KEY], "chain-out-of-order"),
        (
            [LEAF.pem, KEY, *(make_authority(f"Number {i}").pem for i in range(10))],
            "chain-too-long",
        ),
    ],
)
def test_what_is_missing_wrong_or_too_much_is_said(files: list[bytes], expected: str) -> None:
    assert code(files) == expected


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([LEAF.chain_pem + KEY + OTHER_KEY], "This file holds two private keys."),
        ([LEAF.chain_pem + KEY, OTHER_KEY], "The files hold two private keys."),
        (
            [LEAF.chain_pem + KEY + OTHER_KEY + ROOT.key_pem()],
            "This file holds three private keys.",
        ),
    ],
)
def test_how_many_keys_there_are_is_said(files: list[bytes], sentence: str) -> None:
    assert refusal(files).explanation == sentence


def test_a_certificate_for_none_of_the_keys_kept_here_is_refused() -> None:
    problem = refusal([LEAF.chain_pem], known_keys={"00" * 32})
    assert problem.code == "no-key-found"
    assert "kept here" in problem.explanation


@pytest.mark.parametrize(
    "key", [LEAF.key_pem(FORMS.PKCS8, PASSWORD.encode()), openssl_encrypted(RSA_LEAF)]
)
@pytest.mark.parametrize(
    ("password", "expected"),
    [
        (None, "password-missing"),
        ("", "password-missing"),
        ("wrong", "password-wrong"),
        ("x" * 100_000, "password-wrong"),
        ("\ud800", "password-wrong"),
        ("a\x00b", "password-wrong"),
    ],
)
def test_an_encrypted_key_needs_its_password(
    key: bytes, password: str | None, expected: str
) -> None:
    assert code([RSA_LEAF.chain_pem, key], password) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"DEK-Info: AES-256-CBC,00",
        b"DEK-Info: AES-256-CBC,",
        b"DEK-Info: AES-256-CBC," + b"0" * 34,
        b"DEK-Info: DES-EDE3-CBC,00",
        b"DEK-Info: AES-256-CBC," + b"x" * 32,
        b"DEK-Info: AES-256-CBC," + b"0" * 16,
        b"DEK-Info: AES-256-CBC," + b"0" * 32 + b"\nDEK-Info: AES-256-CBC,00",
        b"X: y",
    ],
)
def test_a_damaged_header_of_an_encrypted_key_is_refused(line: bytes) -> None:
    key = re.sub(rb"DEK-Info: .*", line, openssl_encrypted(RSA_LEAF))
    assert code([RSA_LEAF.chain_pem, key], PASSWORD) == "key-unreadable"


def test_a_key_of_which_one_bit_is_wrong_is_refused() -> None:
    numbers = RSA_LEAF.key.private_numbers()
    assert isinstance(numbers, rsa.RSAPrivateNumbers)
    exponent = numbers.d.to_bytes((numbers.d.bit_length() + 7) // 8, "big")
    assert exponent in RSA_LEAF.key_der
    damaged = RSA_LEAF.key_der.replace(exponent, exponent[:-1] + bytes([exponent[-1] ^ 2]))
    assert code([RSA_LEAF.chain_pem, damaged]) == "key-unreadable"


def test_a_key_whose_public_half_is_another_ones_is_refused() -> None:
    point = serialization.PublicFormat.UncompressedPoint
    mine, other = (
        link.key.public_key().public_bytes(serialization.Encoding.X962, point)
        for link in (ISSUER, LEAF)
    )
    assert mine in ISSUER.key_der
    forged = ISSUER.key_der.replace(mine, other)
    assert code([LEAF.chain_pem, forged]) in {"key-unreadable", "key-does-not-match"}


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        dsa.generate_private_key(2048),
        rsa.generate_private_key(65537, 1536),  # noqa: S505 # the weak key is the test
    ],
    ids=["Ed25519", "DSA", "RSA 1536"],
)
def test_keys_that_mail_software_cannot_use_are_refused(
    key: ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey | rsa.RSAPrivateKey,
) -> None:
    text = key.private_bytes(serialization.Encoding.PEM, FORMS.PKCS8, serialization.NoEncryption())
    assert code([LEAF.chain_pem, text]) == "key-not-supported"


@pytest.mark.parametrize("line", [b"-----BEGIN A-----", b"-----BEGIN " + b"A" * 40 + b"-----\n"])
def test_a_file_of_beginnings_without_ends_is_read_quickly(line: bytes) -> None:
    begun = time.process_time()
    assert code([line * (refusals.MAX_FILE // len(line))]) == "file-not-recognized"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("opening", [b"0\x80", b"0\x84\x00\x00\xff\x00", b"\x24\x80"])
def test_der_nested_without_end_is_read_quickly(opening: bytes) -> None:
    begun = time.process_time()
    assert code([opening * (refusals.MAX_FILE // len(opening))]) == "file-not-recognized"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("name", costly_files())
def test_rounds_beyond_measure_are_refused_before_they_are_tried(name: str) -> None:
    begun = time.process_time()
    assert code([LEAF.chain_pem, costly_files()[name]], "secret") == "upload-too-costly"
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("rounds", "password"),
    [
        ([costs.MAX_ROUNDS // 4 + number for number in range(1, 5)], "secret"),
        # A password that was spelt in two ways is tried twice.
        ([costs.MAX_ROUNDS // 2 + 1], PASSWORD),
    ],
)
def test_what_is_too_much_only_together_is_not_tried_either(
    rounds: list[int], password: str
) -> None:
    begun = time.process_time()
    assert code([LEAF.chain_pem, *keys_that_cost(*rounds)], password) == "upload-too-costly"
    assert time.process_time() - begun < 0.5


def test_slow_methods_count_for_more() -> None:
    counted = [
        costs.of_key(base64.b64decode(b"".join(material(name).splitlines()[1:-1])))
        for name in (
            "openssl/ec.pbes2-aes-256-cbc.pem",
            "openssl/ec.pbes2-sha512.pem",
            "openssl/ec.pbes1-pbe-sha1-3des.pem",
        )
    ]
    assert counted == [2048, 2 * 2048, 3 * 2048]
    assert costs.of_pfx(material("gnutls/aes-256.p12")) == 5 * 600_000
    assert costs.of_pfx(b"0\x03\x04\x01x") == costs.of_pfx(b"x") == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("key", "key-unreadable"),
        ("PFX in pieces", "pfx-unreadable"),
        ("PFX with a deep MAC", "pfx-unreadable"),
    ],
)
def test_what_is_nested_thousands_deep_is_damaged(name: str, expected: str) -> None:
    begun = time.process_time()
    assert code([LEAF.chain_pem, nested_files()[name]], "secret") == expected
    assert time.process_time() - begun < 2


# What is told of a chain


def note_codes(*files: bytes) -> list[str]:
    """The codes of the notes."""
    return [note.code for note in read(files).notes]


def test_a_missing_issuer_is_named() -> None:
    (note,) = read([LEAF.pem, LEAF.key_pem()]).notes
    assert note.code == "chain-incomplete"
    assert note.explanation == "The certificate of the issuer “Test Issuer” is missing."


def test_a_root_without_what_is_in_between_shows_that_an_issuer_is_missing() -> None:
    lower = make_authority("Lower Issuer", ISSUER)
    leaf = make_leaf("mx.example.org", above=lower)
    assert note_codes(leaf.pem, lower.pem, leaf.key_pem()) == []
    assert note_codes(leaf.pem, lower.pem, ROOT.pem, leaf.key_pem()) == [
        "chain-incomplete",
        "certificates-left-out",
    ]


def test_expiry_and_staging_are_told() -> None:
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=100)
    expired = make_leaf("mx.example.org", above=ISSUER, begin=begin)
    future = make_leaf("mx.example.org", above=ISSUER, begin=begin + datetime.timedelta(days=200))
    staging = make_leaf("mx.example.org", above=make_authority("(STAGING) Artichoke", ROOT))
    assert note_codes(expired.chain_pem, expired.key_pem()) == ["certificate-expired"]
    assert note_codes(future.chain_pem, future.key_pem()) == ["certificate-not-yet-valid"]
    assert note_codes(staging.chain_pem, staging.key_pem()) == ["certificate-from-staging"]


def test_weak_keys_of_issuers_and_odd_curves_are_told() -> None:
    weak = make_authority("Weak", key=rsa.generate_private_key(65537, 1024))  # noqa: S505
    below = make_leaf("mx.example.org", above=weak)
    odd = make_leaf("mx.example.org", above=ISSUER, key=ec.generate_private_key(ec.SECP256K1()))
    assert note_codes(below.chain_pem, below.key_pem()) == ["weak-key"]
    assert note_codes(odd.chain_pem, odd.key_pem()) == ["weak-key"]


def named(common_name: str, dns_name: str = "mx.example.org") -> Link:
    """A certificate of its own with a hostile name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(dns_name)]), critical=False)
    )
    return Link(builder.sign(key, hashes.SHA256()), key)


def test_hostile_names_become_legible() -> None:
    link = named("a\x00b\u202ec\x1b[2J\n2026-11-24T01:00:00Z ERROR forged")
    imported = read([link.pem, link.key_pem()])
    legible = "a\ufffdb\ufffdc\ufffd[2J 2026-11-24T01:00:00Z ERROR forged"
    assert imported.chain.issuer == legible
    # In the whole name a zero byte is written as RFC 4514 does.
    assert imported.chain.subject == "CN=" + legible.replace("\ufffd", r"\00", 1)


UTC = datetime.UTC
IMPROPER_TIMES = [
    (datetime.datetime(1950, 1, 1, tzinfo=UTC), datetime.datetime(2050, 1, 1, tzinfo=UTC)),
    (datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), pem.EARLIEST),
    (pem.EARLIEST, pem.LATEST),
    (pem.EARLIEST, datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (pem.LATEST, datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
]


@pytest.mark.parametrize(("begin", "end"), IMPROPER_TIMES)
def test_a_certificate_of_impossible_times_is_refused(
    begin: datetime.datetime, end: datetime.datetime
) -> None:
    link = make_leaf("mx.example.org", above=ISSUER, begin=begin, lifetime=end - begin)
    problem = refusal([link.pem, link.key_pem()])

    assert problem.code == "certificate-unreadable"
    assert problem.explanation.startswith("A certificate is valid from before the year 1970")
    with pytest.raises(ProblemError):
        pem.split(link.pem)


@pytest.mark.parametrize("time", [b"00010101000000Z", b"99991231235959Z"])
@pytest.mark.parametrize("which", [0, 1])
def test_the_calendars_ends_are_refused(time: bytes, which: int) -> None:
    link = named("mx")
    forged = with_time(link, which, time)

    assert code([forged, link.key_pem()]) == "certificate-unreadable"


def with_time(link: Link, which: int, time: bytes) -> bytes:
    """The certificate in DER with a GeneralizedTime, its signature being wrong."""
    outer = der.first(link.certificate.public_bytes(serialization.Encoding.DER))
    signed, *rest = der.children(outer)
    parts = [part.raw for part in der.children(signed)]
    times = [part.raw for part in der.children(der.first(parts[4]))]
    times[which] = encoded(0x18, time)
    parts[4] = encoded(der.SEQUENCE, b"".join(times))
    inner = encoded(der.SEQUENCE, b"".join(parts))
    return encoded(der.SEQUENCE, inner + b"".join(part.raw for part in rest))


@pytest.mark.parametrize("serial", [b"\x00", b"\xff"])
def test_a_serial_number_that_is_not_positive_is_refused(serial: bytes) -> None:
    link = named("mx")
    forged = with_serial(link, serial)
    problem = refusal([forged, link.key_pem()])

    assert problem.code == "certificate-unreadable"
    assert problem.explanation.endswith("number as its serial number.")
    # Warnings are errors here, as the library's own one of such numbers.
    with pytest.raises(ProblemError) as caught:
        pem.split(ssl.DER_cert_to_PEM_cert(forged).encode())
    assert caught.value.problem.code == "certificate-unreadable"


def test_an_old_root_with_the_serial_number_zero_is_left_out() -> None:
    root = named("Old Root")
    issuer = make_authority("Issuer", root)
    leaf = make_leaf("mx.example.org", above=issuer)
    imported = read([leaf.pem, issuer.pem, with_serial(root, b"\0"), leaf.key_pem()])

    assert imported.chain.chain_pem.count("BEGIN") == 2
    assert [note.code for note in imported.notes] == ["certificates-left-out"]
    pem.split(imported.chain.chain_pem.encode())


def with_serial(link: Link, serial: bytes) -> bytes:
    """The certificate in DER with another serial number of one byte, its signature being wrong."""
    data = link.certificate.public_bytes(serialization.Encoding.DER)
    assert data.count(b"\xa0\x03\x02\x01\x02\x02\x01\x01") == 1
    return data.replace(
        b"\xa0\x03\x02\x01\x02\x02\x01\x01", b"\xa0\x03\x02\x01\x02\x02\x01" + serial
    )


@pytest.mark.parametrize("dns_name", ["mx\x00.example.org", "mx.example.org\n", "a b"])
def test_host_names_that_are_none_are_refused(dns_name: str) -> None:
    link = named("mx", dns_name)
    assert code([link.pem, link.key_pem()]) == "certificate-unreadable"
