from __future__ import annotations

import contextlib
import itertools
import re
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates import importing, keys
from certificates.importing import read_pem
from challenges.problems import ProblemError
from tests.certificates.chains import Link, make_authority, make_leaf

ROOT = make_authority()
ISSUER = make_authority("Test Issuer", ROOT)
LEAF = make_leaf("mx.example.org", above=ISSUER)
RSA_LEAF = make_leaf("mx.example.org", above=ISSUER, key=rsa.generate_private_key(65537, 2048))
FORMS = serialization.PrivateFormat
PASSWORD = "päßword"


def code(files: list[bytes], password: str | None = None) -> str:
    """The code of the refusal."""
    with pytest.raises(ProblemError) as caught:
        read_pem(files, password)
    problem = caught.value.problem
    assert problem.remedy
    assert "Traceback" not in problem.detail
    return problem.code


def openssl_encrypted(link: Link) -> bytes:
    """The form with Proc-Type lines."""
    return link.key_pem(FORMS.TraditionalOpenSSL, PASSWORD.encode())


# What can be imported


@pytest.mark.parametrize(
    "files",
    [
        [*order]
        for count in (1, 4)
        for order in (
            itertools.permutations([LEAF.key_pem(), LEAF.pem, ISSUER.pem, ROOT.pem])
            if count == 4
            else [[LEAF.chain_pem + LEAF.key_pem()], [LEAF.key_pem() + LEAF.chain_pem]]
        )
    ],
)
def test_certificates_and_key_come_in_any_order_and_in_any_number_of_files(
    files: list[bytes],
) -> None:
    imported = read_pem(files)
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem
    assert keys.load_der(imported.key_der).public_key() == LEAF.key.public_key()


@pytest.mark.parametrize(
    "decorate",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b"Bag Attributes\n  friendlyName: mx\nsubject=CN = mx\n" + text,
        lambda text: text.strip(),
        lambda text: b"\n\n  \n" + text + b"\n\n",
    ],
    ids=["CRLF", "BOM", "text before", "no last newline", "empty lines"],
)
def test_what_programs_write_around_the_blocks_does_not_matter(decorate: object) -> None:
    assert callable(decorate)
    imported = read_pem([decorate(LEAF.chain_pem), decorate(LEAF.key_pem())])
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem


def test_the_leaf_alone_can_be_imported_and_strangers_are_left_out() -> None:
    other = make_authority("Somebody Else")
    assert read_pem([LEAF.pem, LEAF.key_pem()]).chain.chain_pem.encode() == LEAF.pem
    imported = read_pem([other.pem + LEAF.pem + ISSUER.pem, LEAF.key_pem()])
    assert imported.chain.chain_pem.encode() == LEAF.pem + ISSUER.pem


def test_a_certificate_that_stands_there_twice_is_one() -> None:
    imported = read_pem([LEAF.chain_pem + LEAF.chain_pem, LEAF.key_pem()])
    assert imported.chain.chain_pem.encode() == LEAF.chain_pem


def test_of_two_issuers_of_one_name_the_one_that_signed_is_taken() -> None:
    impostor = make_authority("Test Issuer", ROOT)
    imported = read_pem([LEAF.pem + impostor.pem + ISSUER.pem, LEAF.key_pem()])
    assert imported.chain.chain_pem.encode() == LEAF.pem + ISSUER.pem


def test_a_self_signed_certificate_can_be_imported() -> None:
    imported = read_pem([ROOT.pem, ROOT.key_pem()])
    assert imported.chain.chain_pem.encode() == ROOT.pem


@pytest.mark.parametrize("link", [LEAF, RSA_LEAF], ids=["ECDSA", "RSA"])
@pytest.mark.parametrize("form", [FORMS.PKCS8, FORMS.TraditionalOpenSSL])
@pytest.mark.parametrize("password", ["", PASSWORD])
def test_the_key_may_be_in_any_form_with_or_without_a_password(
    link: Link, form: serialization.PrivateFormat, password: str
) -> None:
    key = link.key_pem(form, password.encode())
    imported = read_pem([link.chain_pem, key], password or None)
    assert imported.key_der == link.key_der


def test_a_password_that_is_not_needed_does_no_harm() -> None:
    assert read_pem([LEAF.chain_pem, LEAF.key_pem()], "not needed").key_der == LEAF.key_der


def test_the_key_is_in_no_representation() -> None:
    assert "key_der" not in repr(read_pem([LEAF.chain_pem, LEAF.key_pem()]))


# What cannot


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "no-certificate-found"),
        ([b""], "no-certificate-found"),
        ([b"hello"], "no-certificate-found"),
        ([LEAF.key_pem()], "no-certificate-found"),
        ([LEAF.chain_pem], "no-key-found"),
        ([LEAF.chain_pem, LEAF.key_pem(), new_key_pem := ISSUER.key_pem()], "several-keys-found"),
        ([LEAF.chain_pem, new_key_pem.replace(b"\nM", b"\nN")], "key-unreadable"),
        ([ROOT.pem, LEAF.key_pem()], "key-does-not-match"),
        ([LEAF.pem.replace(b"M", b"N"), LEAF.key_pem()], "certificate-unreadable"),
        ([LEAF.pem * 11, LEAF.key_pem()], "chain-too-long"),
        ([LEAF.pem + make_authority("Test Issuer").pem, LEAF.key_pem()], "chain-out-of-order"),
        (
            [
                LEAF.pem,
                LEAF.key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                ),
            ],
            "no-key-found",
        ),
    ],
)
def test_what_is_missing_wrong_or_too_much_is_said(files: list[bytes], expected: str) -> None:
    assert code(files) == expected


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
        b"DEK-Info: AES-256-GCM," + b"0" * 32,
        b"DEK-Info: AES-256-CBC," + b"x" * 32,
        b"DEK-Info: AES-256-CBC," + b"0" * 32 + b"\nDEK-Info: AES-256-CBC,00",
        b"X: y",
    ],
)
def test_a_damaged_header_of_an_encrypted_key_is_refused(line: bytes) -> None:
    key = re.sub(rb"DEK-Info: .*", line, openssl_encrypted(RSA_LEAF))
    assert code([RSA_LEAF.chain_pem, key], PASSWORD) == "key-unreadable"


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


def test_a_file_of_64_kib_is_read_and_a_larger_one_is_not() -> None:
    padding = b"#" * (importing.MAX_FILE - len(LEAF.chain_pem))
    assert read_pem([padding + LEAF.chain_pem, LEAF.key_pem()]).chain.names == ("mx.example.org",)
    assert code([padding + b"#" + LEAF.chain_pem, LEAF.key_pem()]) == "file-too-large"


@pytest.mark.parametrize("line", [b"-----BEGIN A-----", b"-----BEGIN " + b"A" * 40 + b"-----\n"])
def test_a_file_of_beginnings_without_ends_is_read_quickly(line: bytes) -> None:
    begun = time.process_time()
    assert code([line * (importing.MAX_FILE // len(line))]) == "no-certificate-found"
    assert time.process_time() - begun < 2


# Anything else


@given(st.lists(st.binary(max_size=300), max_size=4), st.none() | st.text())
def test_garbage_is_refused_in_words(files: list[bytes], password: str | None) -> None:
    with pytest.raises(ProblemError):
        read_pem(files, password)


PIECES = [
    LEAF.pem,
    ISSUER.pem,
    RSA_LEAF.pem,
    LEAF.key_pem(),
    RSA_LEAF.key_pem(FORMS.TraditionalOpenSSL),
    openssl_encrypted(RSA_LEAF),
]


@st.composite
def damaged_files(draw: st.DrawFn) -> list[bytes]:
    """Real files of which pieces are missing, doubled, cut or changed."""
    files = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
    changed = []
    for content in files:
        position = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 0, 1, 4, 64, 1000]))
        insertion = draw(st.sampled_from([b"", b"", b"A", b"\n", b"-----END CERTIFICATE-----"]))
        changed.append(content[:position] + insertion + content[position + length :])
    return changed


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=200)
@given(damaged_files(), st.sampled_from([None, PASSWORD, "wrong"]))
def test_damaged_files_are_refused_in_words_or_read_right(
    files: list[bytes], password: str | None
) -> None:
    with contextlib.suppress(ProblemError):
        imported = read_pem(files, password)
        assert keys.spki_sha256(keys.load_der(imported.key_der).public_key()) == (
            imported.chain.spki_sha256
        )


def test_curves_of_every_size_are_read() -> None:
    leaf = make_leaf("mx.example.org", above=ISSUER, key=ec.generate_private_key(ec.SECP521R1()))
    assert read_pem([leaf.chain_pem, leaf.key_pem()]).chain.key_type == "ecdsa-p521"
