"""Keys of accounts: those made here, and those of other clients."""

from __future__ import annotations

import json

import pytest
from acme import jws
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKEC, JWKRSA

from certificates import authority

RSA_2048 = rsa.generate_private_key(65537, 2048)
P_256 = ec.generate_private_key(ec.SECP256R1())


def to_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, object]:
    """As certbot stores it: fully serialized, its kind included."""
    read: object = json.loads(
        (JWKRSA(key=key) if isinstance(key, rsa.RSAPrivateKey) else JWKEC(key=key)).json_dumps()
    )
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA_2048, "RS256"),
        (P_256, "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
    ],
    ids=["rsa", "p256", "p384", "p521"],
)
def test_another_clients_key_signs_by_its_own_algorithm(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str
) -> None:
    account_key = authority.account_key_from_jwk(to_jwk(key))
    assert account_key.algorithm.name == algorithm
    assert json.loads(account_key.jwk.json_dumps()) == to_jwk(key)
    signed = jws.JWS.sign(
        b"{}", key=account_key.jwk, alg=account_key.algorithm, nonce=b"n", url="https://ca.example/"
    )
    assert signed.verify(account_key.jwk.public_key())


def test_a_key_made_here_is_p_256() -> None:
    key = authority.new_account_key()
    assert key.algorithm.name == "ES256"
    assert authority.account_key_from_jwk(json.loads(key.jwk.json_dumps())) == key


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "none"},
        {"kty": 7},
        {"kty": "RSA", "n": "A" * 2000, "e": "AQAB", "d": "A" * 2000},
        to_jwk(rsa.generate_private_key(65537, 1024)),  # noqa: S505 (which is why)
        to_jwk(ec.generate_private_key(ec.SECP256R1())) | {"d": "AAAA"},
        to_jwk(RSA_2048) | {"p": "Aw", "q": "Aw"},
        to_jwk(RSA_2048) | {"n": ["x"]},
        {key: value for key, value in to_jwk(RSA_2048).items() if key != "qi"},
        json.loads(JWKEC(key=P_256.public_key()).json_dumps()),
    ],
)
def test_anything_else_is_refused_without_telling_of_the_key(jwk: dict[str, object]) -> None:
    with pytest.raises(ValueError) as caught:
        authority.account_key_from_jwk(jwk)
    assert len(str(caught.value)) < 80
    assert caught.value.__cause__ is None
