"""The demo's surroundings as real processes, without the console, and an ACME client for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from gateway_admin.demo.setting_up import Demo
from gateway_admin.launch.options import Fault
from tests.demo.responder import Responder
from tests.parts.processes import Process

CHECKOUT = Path(__file__).resolve().parents[2]


class PatientNetwork(client.ClientNetwork):
    """acme's own tries a refused nonce once more, which is not enough for a CA that refuses some.

    What is tried here is the surroundings, not the client.
    """

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Until the nonce is accepted."""
        for _ in range(20):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        raise AssertionError("the CA refused twenty nonces, one after the other")


@dataclass(frozen=True)
class Surroundings:
    """A running demo and a challenge responder behind its router."""

    demo: Demo
    responder: Responder
    process: Process

    @property
    def roots(self) -> list[x509.Certificate]:
        """What roots.pem holds now: HTTPS CA, production root, staging root."""
        return x509.load_pem_x509_certificates(self.demo.facts.roots.read_bytes())

    def new_client(self, directory_url: str) -> client.ClientV2:
        """An ACME client with a new account."""
        key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        net = PatientNetwork(key, alg=ES256)
        net.verify_ssl = str(self.demo.https.ca)  # type: ignore[assignment] # as requests takes it
        acme = client.ClientV2(messages.Directory.from_json(net.get(directory_url).json()), net)
        acme.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
        return acme

    def obtain(
        self, directory_url: str, name: str, acme: client.ClientV2 | None = None
    ) -> x509.Certificate:
        """A certificate by HTTP-01; raises acme's ValidationError with the CA's reasons."""
        acme = acme or self.new_client(directory_url)
        order = acme.new_order(request_for(name))
        for authorization in order.authorizations:
            for challenge in authorization.body.challenges:
                if isinstance(challenge.chall, challenges.HTTP01):
                    answer, validation = challenge.response_and_validation(acme.net.key)
                    self.responder.tokens[challenge.chall.path] = validation
                    acme.answer_challenge(challenge, answer)
        chain = acme.poll_and_finalize(order).fullchain_pem
        return x509.load_pem_x509_certificates(chain.encode())[0]

    def refusal(self, directory_url: str, name: str) -> messages.Error:
        """The problem of the one challenge that fails."""
        with pytest.raises(errors.ValidationError) as caught:
            self.obtain(directory_url, name)
        (authorization,) = caught.value.failed_authzrs
        (problem,) = (each.error for each in authorization.body.challenges if each.error)
        return problem


def request_for(name: str) -> bytes:
    """A certificate request with a new key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return crypto_util.make_csr(pem, [name])


class StartDemo(Protocol):
    """What the fixture ``start_demo`` is."""

    def __call__(self, fault: Fault | None = None) -> Surroundings:
        """A demo, with its surroundings broken in this way, whose CAs answer."""
        ...
