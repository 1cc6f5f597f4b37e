from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certificates import keys
from certificates.policy.keys import KeyType
from tests.certificates.chains import new_key


@pytest.mark.parametrize("key_type", [item for item in KeyType if item is not KeyType.RSA_4096])
def test_every_kind_of_key_is_made_signs_and_is_recognised(key_type: KeyType) -> None:
    key = keys.generate(key_type)
    assert keys.key_type_of(key.public_key()) == key_type.value
    assert keys.make_csr(key, ["mx.example.org"]).is_signature_valid
    assert keys.load_der(keys.to_der(key)).private_numbers() == key.private_numbers()


def test_two_keys_are_never_the_same() -> None:
    made = {keys.spki_sha256(keys.generate(KeyType.ECDSA_P256).public_key()) for _ in range(20)}
    assert len(made) == 20


def test_a_request_holds_all_names_and_the_first_as_common_name() -> None:
    csr = keys.make_csr(new_key(), ["mx.example.org", "smtp.example.org"])
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == [
        "mx.example.org",
        "smtp.example.org",
    ]
    assert csr.subject.rfc4514_string() == "CN=mx.example.org"


@pytest.mark.parametrize(("length", "has_common_name"), [(64, True), (65, False), (253, False)])
def test_a_name_too_long_for_a_common_name_is_an_alternative_name_alone(
    length: int, has_common_name: bool
) -> None:
    name = ".".join(["a" * 60] * 5)[: length - 4] + ".org"
    csr = keys.make_csr(new_key(), [name])
    assert len(name) == length
    assert bool(list(csr.subject)) == has_common_name
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == [name]


def test_the_pem_for_the_services_is_the_same_key_unencrypted() -> None:
    key = new_key()
    text = keys.to_pem(keys.to_der(key))
    loaded = serialization.load_pem_private_key(text, password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    assert loaded.private_numbers() == key.private_numbers()
    assert text.startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("der", [b"", b"garbage", b"\x30\x00"])
def test_what_is_no_key_is_refused(der: bytes) -> None:
    with pytest.raises(ValueError):
        keys.to_pem(der)


def test_a_key_of_another_kind_is_refused() -> None:
    der = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="not an RSA or ECDSA key"):
        keys.load_der(der)


def test_foreign_kinds_of_keys_are_described() -> None:
    assert keys.key_type_of(ed25519.Ed25519PrivateKey.generate().public_key()) == "ed25519"
    assert keys.key_type_of(ec.generate_private_key(ec.SECP521R1()).public_key()) == "ecdsa-p521"
    assert keys.key_type_of(rsa.generate_private_key(65537, 2048).public_key()) == "rsa-2048"


def test_a_sealing_purpose_is_bound_to_one_key() -> None:
    first, second = new_key().public_key(), new_key().public_key()
    assert keys.sealing_purpose(first) == f"certificate-key:{keys.spki_sha256(first)}"
    assert keys.sealing_purpose(first) != keys.sealing_purpose(second)
