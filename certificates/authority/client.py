"""The ACME conversation (RFC 8555): one call is one signed request.

Nothing here sleeps, polls, stores or decides.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from acme import challenges, jws, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from certificates.authority.answers import (
    AcmeError,
    AuthorizationAnswer,
    Challenge,
    Directory,
    InvalidAnswerError,
    OrderAnswer,
    UnreachableError,
)
from certificates.authority.transport import Answer, Transport, parse, read_problem

# A request whose nonce was refused is repeated for so long (seconds) and so often: a CA that
# refuses nine of ten lets one in 37,000 fail.
NONCE_DEADLINE = 20.0
MOST_NONCES = 100
POOL_SIZE = 8
# An authorization may be that as well, but the library does not know the word.
EXPIRED = messages.Status("expired")
# RFC 8555 §7.1.6, for orders, authorizations and challenges.
ORDER_STATUSES = frozenset({"pending", "ready", "processing", "valid", "invalid"})
CHALLENGE_STATUSES = frozenset({"pending", "processing", "valid", "invalid"})
AUTHORIZATION_STATUSES = frozenset(
    {"pending", "valid", "invalid", "deactivated", "expired", "revoked"}
)
TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")


@dataclasses.dataclass(frozen=True)
class AccountKey:
    """An account's private key: PKCS#8 DER of an ECDSA P-256 key."""

    der: bytes = dataclasses.field(repr=False)

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url without padding."""
        return encode_b64jose(self.jwk.thumbprint())

    @property
    def jwk(self) -> JWKEC:
        """The key as josepy wants it."""
        return JWKEC(key=serialization.load_der_private_key(self.der, password=None))


def new_account_key() -> AccountKey:
    """A new account key. Never the key of a certificate (RFC 8555 §11.1)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return AccountKey(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class Authority:
    """A CA's directory, asked with one account's key over one kept connection.

    Every method raises AcmeError, UnreachableError or InvalidAnswerError. Not for two threads at
    once: borrow one from :func:`connection`.
    """

    def __init__(self, directory_url: str, key: AccountKey, ca_bundle: Path | None) -> None:
        self.account_url = ""
        self._jwk = key.jwk
        self._transport = Transport(directory_url, ca_bundle)

    def register(self, contact_email: str) -> str:
        """Register the key, or find its account again; returns the account's URL (§7.3)."""
        body = messages.NewRegistration(
            contact=(f"mailto:{contact_email}",) if contact_email else (),
            terms_of_service_agreed=True,
        ).to_json()
        self.account_url = ""
        answer = self._post(self._transport.directory().new_account, body)
        self.account_url = self._transport.trusted(answer.headers.get("Location", ""))
        return self.account_url

    def new_order(self, names: list[str]) -> OrderAnswer:
        """Place an order for DNS names, as A-labels (§7.4)."""
        body = messages.NewOrder(
            identifiers=[
                messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names
            ]
        ).to_json()
        answer = self._post(self._transport.directory().new_order, body)
        return self._order(answer, answer.headers.get("Location", ""))

    def order(self, url: str) -> OrderAnswer:
        """The order's present state (POST-as-GET, §6.3)."""
        return self._order(self._post(url, None), url)

    def authorization(self, url: str) -> AuthorizationAnswer:
        """The authorization's present state (§7.5)."""
        body = parse(messages.Authorization, self._post(url, None))
        if body.identifier is None:
            raise InvalidAnswerError("the authorization does not say for which name it is")
        offered = body.challenges or ()
        http01 = next((item for item in offered if isinstance(item.chall, challenges.HTTP01)), None)
        failed = next((item.error for item in offered if item.error is not None), None)
        name = str(body.identifier.value)
        return AuthorizationAnswer(
            identifier=name,
            status=_status(body.status, AUTHORIZATION_STATUSES),
            challenge=self._challenge(http01) if http01 else None,
            problem=read_problem(failed, identifier=name) if failed is not None else None,
            expires_at=_utc(body.expires),
        )

    def answer(self, challenge_url: str) -> None:
        """Tell the CA that the challenge can be validated (§7.5.1)."""
        self._post(challenge_url, {})

    def finalize(
        self, order_url: str, finalize_url: str, csr: x509.CertificateSigningRequest
    ) -> OrderAnswer:
        """Hand in the certificate request (§7.4)."""
        request = messages.CertificateRequest(csr=csr).to_json()
        return self._order(self._post(finalize_url, request), order_url)

    def download(self, certificate_url: str) -> bytes:
        """The issued chain as PEM (§7.4.2)."""
        answer = self._post(certificate_url, None, accept="application/pem-certificate-chain")
        return answer.body

    def _order(self, answer: Answer, url: str) -> OrderAnswer:
        body = parse(messages.Order, answer)
        trusted = self._transport.trusted
        return OrderAnswer(
            url=trusted(url),
            status=_status(body.status, ORDER_STATUSES),
            authorization_urls=tuple(trusted(str(link)) for link in body.authorizations or ()),
            finalize_url=trusted(str(body.finalize)),
            certificate_url=trusted(str(body.certificate)) if body.certificate else "",
            expires_at=_utc(body.expires),
            problem=read_problem(body.error) if body.error is not None else None,
            retry_after=answer.retry_after,
        )

    def _challenge(self, body: messages.ChallengeBody) -> Challenge:
        token = str(body.chall.encode("token"))
        # The token becomes a path that we serve, so only the alphabet of §8.3 is let in.
        if not TOKEN.fullmatch(token):
            raise InvalidAnswerError("the challenge's token is not base64url of 128 bits or more")
        return Challenge(
            url=self._transport.trusted(str(body.uri)),
            status=_status(body.status, CHALLENGE_STATUSES),
            token=token,
            key_authorization=str(body.chall.key_authorization(self._jwk)),
        )

    def _post(
        self, url: str, body: Mapping[str, Any] | None, accept: str = "application/json"
    ) -> Answer:
        """Sign and send; a refused nonce is replaced by the refusal's own until the deadline."""
        payload = json.dumps(body).encode() if body is not None else b""
        deadline = time.monotonic() + NONCE_DEADLINE
        for attempt in itertools.count(1):
            signed = jws.JWS.sign(
                payload,
                key=self._jwk,
                alg=ES256,
                nonce=self._transport.nonce(),
                url=url,
                kid=self.account_url or None,
            ).json_dumps()
            try:
                return self._transport.send("POST", url, signed, accept)
            except AcmeError as error:
                refused = error.problem.type == "badNonce"
                if not refused or attempt == MOST_NONCES or time.monotonic() > deadline:
                    raise
        raise AssertionError("unreachable: the loop ends by returning or raising")


def fetch_directory(url: str, ca_bundle: Path | None) -> Directory:
    """Ask the CA for its directory, without a signature. Raises like the others."""
    return Transport(url, ca_bundle).directory()


_Identity = tuple[str, str]
_idle: dict[_Identity, list[Authority]] = {}
_idle_lock = threading.Lock()


@contextlib.contextmanager
def connection(
    directory_url: str, key: AccountKey, account_url: str, ca_bundle: Path | None
) -> Iterator[Authority]:
    """Borrow a connection for this account's key; it is kept, with its nonces, for the next one.

    One that failed is dropped, since its answers may be out of step with its requests.
    """
    identity = (directory_url, key.thumbprint)
    with _idle_lock:
        kept = _idle.get(identity, [])
        authority = kept.pop() if kept else None
    authority = authority or Authority(directory_url, key, ca_bundle)
    authority.account_url = account_url
    try:
        yield authority
    except (UnreachableError, InvalidAnswerError):
        raise
    except BaseException:
        _keep(identity, authority)
        raise
    else:
        _keep(identity, authority)


def _keep(identity: _Identity, authority: Authority) -> None:
    with _idle_lock:
        kept = _idle.setdefault(identity, [])
        if len(kept) < POOL_SIZE:
            kept.append(authority)


def _status(status: Any, known: frozenset[str]) -> str:
    name = str(status.name) if status is not None else ""
    if name not in known:
        raise InvalidAnswerError(f"the CA gave a status that ACME does not know here: {name!r}")
    return name


def _utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(
        datetime.UTC
    )
