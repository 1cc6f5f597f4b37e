"""The ACME conversation (RFC 8555): one call is one signed request.

Nothing here sleeps, polls, stores or decides.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acme import challenges, jws, messages
from cryptography import x509

from certificates.authority.account_keys import AccountKey
from certificates.authority.answers import (
    AcmeError,
    AuthorizationAnswer,
    Challenge,
    Directory,
    InvalidAnswerError,
    OrderAnswer,
)
from certificates.authority.documents import doubting, parse, read_problem, utc
from certificates.authority.transport import EXCHANGE_LIMIT, Answer, Transport

# A request whose nonce was refused is repeated for so long (seconds) and so often: a CA that
# refuses nine of ten lets one in 37,000 fail.
NONCE_DEADLINE = 20.0
MOST_NONCES = 100
# An authorization may be that as well, but the library does not know the word.
EXPIRED = messages.Status("expired")
DEACTIVATED = messages.STATUS_DEACTIVATED
# RFC 8555 §7.1.6, for orders, authorizations and challenges.
ORDER_STATUSES = frozenset({"pending", "ready", "processing", "valid", "invalid"})
CHALLENGE_STATUSES = frozenset({"pending", "processing", "valid", "invalid"})
AUTHORIZATION_STATUSES = frozenset(
    {"pending", "valid", "invalid", "deactivated", "expired", "revoked"}
)
# As many as an order of the largest CA has names.
MOST_AUTHORIZATIONS = 100
TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"


class Authority:
    """A CA's directory, asked with one account's key over one kept connection.

    Every method raises AcmeError, UnreachableError or InvalidAnswerError. Not for two threads at
    once: borrow one from :func:`connection`.
    """

    def __init__(
        self,
        directory_url: str,
        key: AccountKey,
        ca_bundle: Path | None,
        limit: float = EXCHANGE_LIMIT,
    ) -> None:
        self.account_url = ""
        self._jwk, self._algorithm = key.jwk, key.algorithm
        self._transport = Transport(directory_url, ca_bundle, limit)

    def close(self) -> None:
        """Give up the kept connection; the next question makes another."""
        self._transport.close()

    def directory(self) -> Directory:
        """What the CA offers, asked for once for each connection."""
        return self._transport.directory()

    def register(self, contact_email: str) -> str:
        """Register the key, or find its account again; returns the account's URL (§7.3)."""
        body = messages.NewRegistration(
            contact=(f"mailto:{contact_email}",) if contact_email else (),
            terms_of_service_agreed=True,
        ).to_json()
        self.account_url = ""
        with self._transport.deadline():
            answer = self._post(self._transport.directory().new_account, body)
        self.account_url = self._transport.trusted(answer.headers.get("Location", ""))
        return self.account_url

    def new_order(
        self, names: Sequence[str], *, profile: str = "", replaces: str = ""
    ) -> OrderAnswer:
        """Place an order for DNS names, as A-labels (§7.4).

        ``profile`` is a name from the directory, or empty for the CA's own choice
        (draft-aaron-acme-profiles §4). ``replaces`` is the renewal identifier of the certificate
        that the new one succeeds (RFC 9773 §5).
        """
        body = {
            "identifiers": [{"type": "dns", "value": name} for name in names],
            **({"profile": profile} if profile else {}),
            **({"replaces": replaces} if replaces else {}),
        }
        with self._transport.deadline():
            answer = self._post(self._transport.directory().new_order, body)
        return self._order(answer, answer.headers.get("Location", ""), names)

    def order(self, url: str, names: Collection[str] = ()) -> OrderAnswer:
        """The order's present state (POST-as-GET, §6.3).

        ``names`` are those that it must be for; without them that is not looked at.
        """
        return self._order(self._post(url, None), url, names)

    def authorization(self, url: str, names: Collection[str] = ()) -> AuthorizationAnswer:
        """The authorization's present state (§7.5).

        ``names`` are those of its order, one of which it must be for; without them that is not
        looked at.
        """
        answer = self._post(url, None)
        with doubting():
            return self._authorization(parse(messages.Authorization, answer.body), names)

    def deactivate_authorization(self, url: str) -> None:
        """Give up an authorization that will not be used (§7.5.2)."""
        self._post(url, {"status": "deactivated"})

    def answer(self, challenge_url: str) -> None:
        """Tell the CA that the challenge can be validated (§7.5.1)."""
        # Something else on the way may have answered, and then the CA has not heard of it.
        parse(messages.ChallengeBody, self._post(challenge_url, {}).body)

    def finalize(
        self,
        order_url: str,
        finalize_url: str,
        csr: x509.CertificateSigningRequest,
        names: Collection[str] = (),
    ) -> OrderAnswer:
        """Hand in the certificate request (§7.4). ``names`` as for :meth:`order`."""
        request = messages.CertificateRequest(csr=csr).to_json()
        return self._order(self._post(finalize_url, request), order_url, names)

    def download(self, certificate_url: str) -> bytes:
        """The issued chain as PEM (§7.4.2)."""
        answer = self._post(certificate_url, None, accept="application/pem-certificate-chain")
        if PEM_BEGIN not in answer.body:
            raise InvalidAnswerError("the CA's answer is not a certificate chain")
        return answer.body

    def _order(self, answer: Answer, url: str, names: Collection[str]) -> OrderAnswer:
        body = parse(messages.Order, answer.body)
        trusted = self._transport.trusted
        with doubting():
            # Some CAs sort the names, some write them in lower case.
            if names and _names(body.identifiers or ()) != _lower(names):
                raise InvalidAnswerError("the CA's order is not for the names that were ordered")
            if len(body.authorizations or ()) > MOST_AUTHORIZATIONS:
                raise InvalidAnswerError("the CA's order has too many authorizations")
            return OrderAnswer(
                url=trusted(url),
                status=_order_status(body.status),
                authorization_urls=tuple(trusted(str(link)) for link in body.authorizations or ()),
                finalize_url=trusted(str(body.finalize)),
                certificate_url=trusted(str(body.certificate)) if body.certificate else "",
                expires_at=utc(body.expires) if body.expires else None,
                problem=read_problem(body.error) if body.error is not None else None,
                retry_after=answer.retry_after,
            )

    def _authorization(
        self, body: messages.Authorization, names: Collection[str]
    ) -> AuthorizationAnswer:
        if body.identifier is None:
            raise InvalidAnswerError("the authorization does not say for which name it is")
        if names and not _names([body.identifier]) <= _lower(names):
            raise InvalidAnswerError("the authorization is for a name that was not ordered")
        offered = body.challenges or ()
        http01 = next((item for item in offered if isinstance(item.chall, challenges.HTTP01)), None)
        failed = next((item.error for item in offered if item.error is not None), None)
        name = str(body.identifier.value)
        return AuthorizationAnswer(
            identifier=name,
            status=_status(body.status, AUTHORIZATION_STATUSES),
            challenge=self._challenge(http01) if http01 else None,
            problem=read_problem(failed, identifier=name) if failed is not None else None,
            expires_at=utc(body.expires) if body.expires else None,
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
        with self._transport.deadline():
            for attempt in itertools.count(1):
                try:
                    return self._transport.send("POST", url, self._sign(payload, url), accept)
                except AcmeError as error:
                    refused = error.problem.type == "badNonce"
                    if not refused or attempt == MOST_NONCES or time.monotonic() > deadline:
                        raise
        raise AssertionError("unreachable: the loop ends by returning or raising")

    def _sign(self, payload: bytes, url: str) -> str:
        signed = jws.JWS.sign(
            payload,
            key=self._jwk,
            alg=self._algorithm,
            nonce=self._transport.nonce(),
            url=url,
            kid=self.account_url or None,
        )
        return str(signed.json_dumps())


def _order_status(status: Any) -> str:
    """Pebble calls an order with a deactivated authorization so; for RFC 8555 it is invalid."""
    return "invalid" if status == DEACTIVATED else _status(status, ORDER_STATUSES)


def _status(status: Any, known: frozenset[str]) -> str:
    name = str(status.name) if status is not None else ""
    if name not in known:
        raise InvalidAnswerError(f"the CA gave a status that ACME does not know here: {name!r}")
    return name


def _names(identifiers: Iterable[messages.Identifier]) -> set[str]:
    """The DNS names, lower case; any other identifier is told by its type as well."""
    return {
        value if typ == messages.IDENTIFIER_FQDN else f"{typ.name}:{value}"
        for typ, value in ((item.typ, str(item.value).lower()) for item in identifiers)
    }


def _lower(names: Collection[str]) -> set[str]:
    return {name.lower() for name in names}
