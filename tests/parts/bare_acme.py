"""An ACME client that only signs and sends: what a CA really says, unfiltered by our own client."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Self

import requests
from acme import jws
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.json_util import decode_b64jose, encode_b64jose
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from tests.parts.processes import wait_until

TIMEOUT = 10.0


class BareAcme:
    """One account at one directory; a context manager. Answers are returned whatever they are.

    ``tokens`` is where key authorizations are put for the CA to fetch, by path.
    """

    def __init__(
        self, directory_url: str, bundle: Path, tokens: MutableMapping[str, str] | None = None
    ) -> None:
        self.directory_url = directory_url
        self.account = ""
        self.tokens = tokens if tokens is not None else {}
        self._key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(bundle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @property
    def directory(self) -> dict[str, Any]:
        """The directory as it is now."""
        return dict(self.get(self.directory_url).json())

    def get(self, url: str) -> requests.Response:
        """Without a signature."""
        return self._session.get(url, timeout=TIMEOUT)

    def nonce(self) -> str:
        """A new one of the CA's."""
        answer = self._session.head(self.directory["newNonce"], timeout=TIMEOUT)
        return answer.headers["Replay-Nonce"]

    def post(self, url: str, payload: object = None, *, nonce: str = "") -> requests.Response:
        """Signed; None is POST-as-GET. With a new nonce where none is given."""
        signed = jws.JWS.sign(
            json.dumps(payload).encode() if payload is not None else b"",
            key=self._key,
            alg=ES256,
            nonce=decode_b64jose(nonce or self.nonce()),
            url=url,
            kid=self.account or None,
        )
        return self._session.post(
            url,
            data=signed.json_dumps(),
            headers={"Content-Type": "application/jose+json"},
            timeout=TIMEOUT,
        )

    def register(self) -> Self:
        """Make the account."""
        answer = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True})
        answer.raise_for_status()
        self.account = answer.headers["Location"]
        return self

    def accepts(self, nonce: str) -> bool:
        """Whether the CA takes that nonce, which is used up by asking."""
        answer = self.post(self.account, {"contact": []}, nonce=nonce)
        if answer.ok:
            return True
        assert problem(answer) == "badNonce"
        return False

    def new_order(self, *names: str, **more: object) -> requests.Response:
        """Ask for an order; ``more`` goes into it: profile, replaces."""
        identifiers = [{"type": "dns", "value": name} for name in names]
        return self.post(self.directory["newOrder"], {"identifiers": identifiers, **more})

    def authorize(self, order: dict[str, Any]) -> None:
        """Publish and answer every HTTP-01 challenge."""
        for url in order["authorizations"]:
            for challenge in self.post(url).json()["challenges"]:
                if challenge["type"] == "http-01":
                    token = challenge["token"]
                    thumbprint = encode_b64jose(self._key.thumbprint())
                    self.tokens[f"/.well-known/acme-challenge/{token}"] = f"{token}.{thumbprint}"
                    self.post(challenge["url"], {})

    def wait_for(self, order_url: str, status: str) -> dict[str, Any]:
        """The order once it has that status."""
        order: dict[str, Any] = {}

        def has_it() -> bool:
            order.update(self.post(order_url).json())
            return bool(order["status"] == status)

        wait_until(has_it, f"The order is {status}")
        return order

    def finalize(self, order: dict[str, Any]) -> requests.Response:
        """Hand in a request with a key that is forgotten."""
        # A CA need not keep their order.
        values = sorted(identifier["value"] for identifier in order["identifiers"])
        names = [x509.DNSName(value) for value in values]
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        )
        return self.post(
            order["finalize"], {"csr": encode_b64jose(request.public_bytes(Encoding.DER))}
        )

    def issue(self, *names: str, **more: object) -> list[x509.Certificate]:
        """A whole order, from newOrder to the chain."""
        placed = self.new_order(*names, **more)
        placed.raise_for_status()
        url = placed.headers["Location"]
        self.authorize(placed.json())
        self.finalize(self.wait_for(url, "ready")).raise_for_status()
        chain = self.post(self.wait_for(url, "valid")["certificate"])
        chain.raise_for_status()
        return x509.load_pem_x509_certificates(chain.content)


def problem(answer: requests.Response) -> str:
    """The last word of the type of a problem document (RFC 8555 §6.7)."""
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    return str(answer.json()["type"]).removeprefix("urn:ietf:params:acme:error:")


def names_in(certificate: x509.Certificate) -> set[str]:
    """Its subject alternative names."""
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(extension.value.get_values_for_type(x509.DNSName))
