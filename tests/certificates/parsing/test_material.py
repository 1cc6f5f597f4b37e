"""What openssl, keytool, NSS and GnuTLS write is read, or refused in words."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest
from _pytest.mark import ParameterSet

from certificates import keys
from certificates.parsing.messages import ImportedCertificate
from tests.certificates.parsing.reader import (
    MATERIAL,
    NOW,
    PASSWORD,
    code,
    material,
    read,
    refusal,
)

ENCRYPTED = re.compile(r"encrypted|traditional-|pbes|scrypt")
FULLCHAIN = "openssl/{}.fullchain.pem"
# Of these each must be opened by the password, with the certificates beside it.
OPENABLE_KEYS = [
    "openssl/rsa.pkcs1.pem",
    "openssl/rsa.pkcs8.pem",
    "openssl/rsa.pkcs8.der",
    "openssl/rsa.traditional.der",
    "openssl/rsa.encrypted.der",
    "openssl/rsa.traditional-aes128.pem",
    "openssl/rsa.traditional-aes256.pem",
    "openssl/rsa.traditional-des3.pem",
    "openssl/ec.sec1.pem",
    "openssl/ec.with-parameters.pem",
    "openssl/ec.pkcs8.pem",
    "openssl/ec.pkcs8.der",
    "openssl/ec.traditional.der",
    "openssl/ec.encrypted.der",
    "openssl/ec.traditional-aes128.pem",
    "openssl/ec.traditional-aes256.pem",
    "openssl/ec.traditional-des3.pem",
    "openssl/ec.pbes1-pbe-md5-des.pem",
    "openssl/ec.pbes1-pbe-sha1-3des.pem",
    "openssl/ec.pbes1-pbe-sha1-rc2-40.pem",
    "openssl/ec.pbes2-aes-128-cbc.pem",
    "openssl/ec.pbes2-aes-192-cbc.pem",
    "openssl/ec.pbes2-aes-256-cbc.pem",
    "openssl/ec.pbes2-des3.pem",
    "openssl/ec.pbes2-sha512.pem",
    "openssl/ec.scrypt.pem",
    "gnutls/encrypted.pem",
    "gnutls/key-info.pem",
]
WHOLE_BUNDLES = [
    "openssl/modern.pfx",
    "openssl/legacy.pfx",
    "openssl/3des.pfx",
    "openssl/rc2-128.pfx",
    "openssl/without-mac.pfx",
    "openssl/unencrypted.pfx",
    "openssl/bag-attributes.pem",
    "keytool/modern.p12",
    "keytool/legacy.p12",
    "nss/modern.p12",
    "nss/legacy.p12",
    "gnutls/aes-256.p12",
    "gnutls/rc2-40.p12",
    "gnutls/3des.p12",
]
# Their millions of rounds take most of the time, and what they prove others prove as well: the
# ciphers those of openssl, the programs' ways those of the same programs.
REPEATING = {"nss/legacy.p12", "gnutls/rc2-40.p12", "gnutls/3des.p12"}
REFUSED = {
    "openssl/rsa.traditional-des.pem": "key-cipher-not-supported",
    "openssl/ec.pbes2-camellia.pem": "key-cipher-not-supported",
    "openssl/rsa.public.pem": "public-key-instead-of-private-key",
    "openssl/ec.public.pem": "public-key-instead-of-private-key",
    "keytool/store.jks": "java-keystore",
    "keytool/store.jceks": "java-keystore",
}


def of_type(name: str) -> str:
    """Which of the two leaves a file belongs to."""
    return "rsa" if "rsa" in name or name in {"gnutls/key-info.pem"} else "ec"


def check(imported: ImportedCertificate) -> None:
    """The key is the leaf's, and the leaf is the material's."""
    assert imported.chain.names == ("mx.example.org", "mail.example.org")
    assert imported.key_der is not None
    assert keys.spki_sha256(keys.load_der(imported.key_der).public_key()) == (
        imported.chain.spki_sha256
    )


@pytest.mark.parametrize("name", OPENABLE_KEYS)
def test_every_form_of_key_is_opened(name: str) -> None:
    imported = read([material(FULLCHAIN.format(of_type(name))), material(name)], PASSWORD)

    check(imported)
    assert imported.notes == ()
    assert imported.chain.chain_pem.count("BEGIN CERTIFICATE") == 3


def once(names: list[str], repeating: Collection[str]) -> list[ParameterSet]:
    """As parameters; those that only repeat what others prove with ``--soak`` alone."""
    return [
        pytest.param(name, marks=[pytest.mark.soak] if name in repeating else []) for name in names
    ]


@pytest.mark.parametrize("name", once(WHOLE_BUNDLES, REPEATING))
def test_every_bundle_holds_all_that_is_needed(name: str) -> None:
    imported = read([material(name)], PASSWORD, now=NOW)

    check(imported)
    assert imported.notes == ()
    assert imported.chain.chain_pem.count("BEGIN CERTIFICATE") == 3


def test_a_bundle_without_a_password_is_opened_without_one() -> None:
    check(read([material("openssl/empty-password.pfx")]))
    assert code([material("openssl/empty-password.pfx")], "wrong") == "password-wrong"


@pytest.mark.parametrize(
    "name", once([name for name in WHOLE_BUNDLES if name.endswith(("pfx", "p12"))], REPEATING)
)
@pytest.mark.parametrize(
    ("password", "expected", "sentence"),
    [
        (None, "password-missing", "The PFX file is protected by a password; enter it as well."),
        ("wrong", "password-wrong", "The password does not open this PFX file."),
        ("a\x00b", "password-wrong", "The password does not open this PFX file."),
        ("\ud800", "password-wrong", "The password does not open this PFX file."),
    ],
)
def test_a_bundle_says_that_its_password_is_missing_or_wrong(
    name: str, password: str | None, expected: str, sentence: str
) -> None:
    problem = refusal([material(name)], password)

    assert (problem.code, problem.explanation) == (expected, sentence)


@pytest.mark.parametrize("name", [name for name in OPENABLE_KEYS if ENCRYPTED.search(name)])
def test_an_encrypted_key_says_that_its_password_is_missing(name: str) -> None:
    assert code([material(FULLCHAIN.format(of_type(name))), material(name)]) == "password-missing"


@pytest.mark.parametrize(("name", "expected"), REFUSED.items())
def test_what_cannot_be_read_says_what_it_is(name: str, expected: str) -> None:
    assert code([material(FULLCHAIN.format(of_type(name))), material(name)], PASSWORD) == expected


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("form", ["cert.pem", "cert.der", "text.pem", "trusted.pem"])
def test_every_form_of_certificate_is_read(kind: str, form: str) -> None:
    files = [material(f"openssl/{kind}.{form}"), material(f"openssl/{kind}.pkcs8.pem")]

    imported = read([*files, material("openssl/chain.pem")])

    check(imported)
    assert imported.chain.chain_pem.encode() == material(FULLCHAIN.format(kind))


def test_what_gnutls_says_around_a_certificate_does_not_matter() -> None:
    check(read([material("gnutls/certificate-info.pem"), material("openssl/ec.sec1.pem")]))


@pytest.mark.parametrize("name", ["openssl/rsa.p7b", "openssl/rsa.p7b.pem"])
def test_a_bundle_of_pkcs7_is_a_chain(name: str) -> None:
    imported = read([material(name), material("openssl/rsa.pkcs1.pem")])

    check(imported)
    assert imported.chain.chain_pem.encode() == material("openssl/rsa.fullchain.pem")


def test_a_bundle_without_a_key_needs_the_key_beside_it() -> None:
    bundle = material("openssl/certificates-alone.pfx")

    assert code([bundle], PASSWORD) == "no-key-found"
    check(read([bundle, material("openssl/rsa.encrypted.der")], PASSWORD))


def test_a_bundle_with_two_keys_is_refused() -> None:
    problem = refusal([material("keytool/two-keys.p12")], PASSWORD)

    assert problem.code == "several-keys-found"
    assert problem.explanation == "This file holds two private keys."


@pytest.mark.parametrize("form", ["csr.pem", "csr.der"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_request_in_place_of_the_certificate_is_told(kind: str, form: str) -> None:
    request, key = material(f"openssl/{kind}.{form}"), material(f"openssl/{kind}.pkcs8.pem")

    assert code([request, key]) == "request-instead-of-certificate"
    assert code([request]) == "request-instead-of-certificate"
    # Beside a certificate it does no harm.
    check(read([request, key, material(FULLCHAIN.format(kind))]))


def test_a_certificate_for_clients_and_one_signed_with_sha1_are_told() -> None:
    client = read([material("openssl/client.cert.pem"), material("openssl/client.pkcs8.pem")])
    weak = read([material("openssl/weak.fullchain.pem"), material("openssl/weak.pkcs8.pem")])

    assert [note.code for note in client.notes] == ["chain-incomplete", "certificate-for-no-server"]
    assert [note.code for note in weak.notes] == ["weak-signature"]
    assert "SHA-1" in weak.notes[0].explanation
    assert weak.chain.chain_pem.count("BEGIN") == 2


def test_the_address_of_a_missing_issuer_is_shown() -> None:
    imported = read([material("openssl/ec.cert.pem"), material("openssl/ec.sec1.pem")])

    (note,) = imported.notes
    assert note.code == "chain-incomplete"
    assert "“Material Issuer”" in note.explanation
    assert "http://ca.example.org/issuer.cer" in note.explanation


def test_the_material_holds_nothing_that_no_test_reads() -> None:
    read_elsewhere = {"rsa", "ec", "chain", "client", "weak", "certificates-alone"}
    known = {*OPENABLE_KEYS, *WHOLE_BUNDLES, *REFUSED, "keytool/two-keys.p12"}
    known |= {"openssl/empty-password.pfx", "gnutls/certificate-info.pem"}
    files = [path for path in MATERIAL.rglob("*") if path.is_file() and path.name != "make"]

    assert [
        str(path.relative_to(MATERIAL))
        for path in files
        if str(path.relative_to(MATERIAL)) not in known
        and path.name.partition(".")[0] not in read_elsewhere
    ] == []
