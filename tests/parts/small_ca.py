"""An ACME CA in this process that really issues, on whatever clock it is given.

For tests of the engine itself, where thousands of issuances, a CA that is away or one with a
travelled clock are wanted. It believes every signature: what is spoken is tested with Pebble.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from certificates import pem
from tests.certificates.authority.ca import Ca, Reply, Seen, dns, refusal

Clock = Callable[[], datetime.datetime]
# The chain that is answered for a certificate request.
Issue = Callable[[x509.CertificateSigningRequest, Sequence[str]], str]
# Instead of the usual answer; a function may return None to leave it to that.
Other = Reply | Callable[[Seen], Reply | None]
BACKDATED = datetime.timedelta(hours=1)


def utc_now() -> datetime.datetime:
    """The clock of a CA that is not told otherwise."""
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request that was heard: the first part of its path, and when."""

    endpoint: str
    at: datetime.datetime
    seen: Seen

    @property
    def body(self) -> dict[str, Any]:
        """What was signed, of a request that has something to say."""
        return dict(json.loads(self.seen.payload))


@dataclasses.dataclass
class _Authorization:
    name: str
    account: str
    status: str = "pending"
    polls: int = 0


@dataclasses.dataclass
class _Order:
    names: list[str]
    authorizations: list[int]
    status: str = "pending"
    chain: str = ""


class SmallCa(Ca):
    """Directory, accounts, orders, HTTP-01, certificates and renewal information.

    ``away`` breaks off every connection. ``failing`` has every validation fail with that type.
    ``polls_before_valid`` is how often an authorization or its order is asked for before it is
    valid. ``reuses`` trusts validations of before. ``lifetime`` is that of its certificates,
    ``ask_again`` the Retry-After of its renewal information. ``instead`` answers an endpoint
    otherwise. ``issue`` may be replaced by one that issues something else.
    """

    def __init__(self, directory: Path, clock: Clock = utc_now, name: str = "Small CA") -> None:
        super().__init__(directory)
        self.clock = clock
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._lock = threading.RLock()
        # A connection that is refused is closed before any TLS.
        self._server.verify_request = self._lets_in  # type: ignore[method-assign, assignment]  # no subclass
        self.reset()

    def reset(self) -> Self:
        """As it was at the beginning, for the next test; its address stays."""
        self.away = False
        self.failing = ""
        self.polls_before_valid = 0
        self.reuses = False
        self.lifetime = datetime.timedelta(days=90)
        self.ask_again = datetime.timedelta(hours=6)
        self.issue: Issue = self.certify
        self.instead: dict[str, Other] = {}
        self.asked: list[Asked] = []
        self.knocks: list[datetime.datetime] = []
        self.issued: dict[str, x509.Certificate] = {}
        self._accounts: dict[str, str] = {}
        self._orders: list[_Order] = []
        self._authorizations: list[_Authorization] = []
        self._numbers = itertools.count(1)
        return self

    @property
    def counts(self) -> Counter[str]:
        """How often each endpoint was asked."""
        return Counter(each.endpoint for each in self.asked)

    def requests_for(self, endpoint: str) -> list[Asked]:
        """What was asked of that endpoint."""
        return [each for each in self.asked if each.endpoint == endpoint]

    def certify(self, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
        """A certificate as it should be, and its issuer's."""
        leaf = self.leaf(csr.public_key(), names)  # type: ignore[arg-type]  # keys as CSRs have them
        return pem.to_pem([leaf, self.root()])

    def leaf(
        self,
        key: ec.EllipticCurvePublicKey,
        names: Sequence[str],
        begin: datetime.datetime | None = None,
    ) -> x509.Certificate:
        """A certificate for these names and this key, known to the renewal information."""
        begin = begin or self.clock() - BACKDATED
        own = self.root_key.public_key()
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + self.lifetime)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
            .sign(self.root_key, hashes.SHA256())
        )
        self.issued[pem.renewal_id(leaf)] = leaf
        return leaf

    def root(self) -> x509.Certificate:
        """The issuer of all of them."""
        return (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(self.root_key.public_key())
            .serial_number(1)
            .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
            .not_valid_after(datetime.datetime(2060, 1, 1, tzinfo=datetime.UTC))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )

    def directory(self, **changes: object) -> dict[str, object]:
        """With renewal information."""
        return super().directory(**{"renewalInfo": f"{self.base}/renewal-info", **changes})

    def window(self, start: datetime.datetime, end: datetime.datetime) -> Reply:
        """An answer of the renewal information."""
        document = {"suggestedWindow": {"start": start.isoformat(), "end": end.isoformat()}}
        pause = str(int(self.ask_again.total_seconds()))
        return Reply(document, headers={"Retry-After": pause})

    def _lets_in(self, _request: object, _address: object) -> bool:
        if self.away:
            self.knocks.append(self.clock())
        return not self.away

    def _reply(self, seen: Seen) -> Reply:
        if self.away:
            self.knocks.append(self.clock())
            raise ConnectionError("the CA is away")
        endpoint, _, tail = seen.path.strip("/").partition("/")
        with self._lock:
            self.asked.append(Asked(endpoint, self.clock(), seen))
            other = self.instead.get(endpoint)
            said = other(seen) if callable(other) else other
            return said or self._answer(endpoint, tail, seen)

    def _answer(self, endpoint: str, tail: str, seen: Seen) -> Reply:
        match endpoint:
            case "directory":
                return Reply(self.directory())
            case "new-nonce":
                return Reply(b"")
            case "new-account":
                return self._account(seen)
            case "new-order":
                return self._new_order(seen)
            case "order":
                return self._order_at(int(tail))
            case "authorization":
                return self._authorization_at(int(tail), seen)
            case "challenge":
                return self._challenge_answered(int(tail))
            case "finalize":
                return self._finalize(int(tail), seen)
            case "certificate":
                return Reply(self._orders[int(tail)].chain.encode())
            case "renewal-info":
                return self._renewal_information(tail)
            case _:
                return refusal("malformed", 404)

    def _account(self, seen: Seen) -> Reply:
        key = json.dumps(seen.protected["jwk"], sort_keys=True)
        status = 200 if key in self._accounts else 201
        url = self._accounts.setdefault(key, f"{self.base}/account/{next(self._numbers)}")
        return Reply({"status": "valid"}, status, {"Location": url})

    def _new_order(self, seen: Seen) -> Reply:
        account = str(seen.protected["kid"])
        if account not in self._accounts.values():
            return refusal("accountDoesNotExist")
        names = [item["value"] for item in json.loads(seen.payload)["identifiers"]]
        order = _Order(names, [self._authorization_for(name, account) for name in names])
        self._orders.append(order)
        number = len(self._orders) - 1
        reply = self._order_at(number)
        return Reply(reply.body, 201, {"Location": f"{self.base}/order/{number}"})

    def _authorization_for(self, name: str, account: str) -> int:
        for number, each in enumerate(self._authorizations):
            if self.reuses and (each.name, each.account, each.status) == (name, account, "valid"):
                return number
        self._authorizations.append(_Authorization(name, account))
        return len(self._authorizations) - 1

    def _order_at(self, number: int) -> Reply:
        order = self._orders[number]
        if order.status == "pending":
            states = {self._polled(each).status for each in order.authorizations}
            if states <= {"valid"}:
                order.status = "ready"
            elif not states <= {"pending", "processing", "valid"}:
                order.status = "invalid"
        return Reply(
            self.order(
                status=order.status,
                expires=(self.clock() + datetime.timedelta(days=7)).isoformat(),
                identifiers=dns(*order.names),
                authorizations=[f"{self.base}/authorization/{n}" for n in order.authorizations],
                finalize=f"{self.base}/finalize/{number}",
                certificate=f"{self.base}/certificate/{number}" if order.chain else None,
            )
        )

    def _polled(self, number: int) -> _Authorization:
        authorization = self._authorizations[number]
        if authorization.status == "processing":
            authorization.polls += 1
            if authorization.polls > self.polls_before_valid:
                authorization.status = "valid"
        return authorization

    def _authorization_at(self, number: int, seen: Seen) -> Reply:
        authorization = self._authorizations[number]
        if b"deactivated" in seen.payload:
            authorization.status = "deactivated"
        challenge = self.challenge(
            url=f"{self.base}/challenge/{number}", token=f"token-of-authorization-{number:08d}"
        )
        status = authorization.status.replace("processing", "pending")
        if status == "invalid":
            challenge["error"] = {
                "type": f"urn:ietf:params:acme:error:{self.failing or 'connection'}",
                "detail": f"{authorization.name} could not be validated",
            }
        challenge["status"] = status if status in {"pending", "valid", "invalid"} else "pending"
        return Reply(
            self.authorization(
                status=status,
                identifier={"type": "dns", "value": authorization.name},
                challenges=[challenge],
                expires=(self.clock() + datetime.timedelta(days=7)).isoformat(),
            )
        )

    def _challenge_answered(self, number: int) -> Reply:
        authorization = self._authorizations[number]
        if authorization.status == "pending":
            authorization.status = "invalid" if self.failing else "processing"
        url = f"{self.base}/challenge/{number}"
        return Reply(self.challenge(url=url, token=f"token-of-authorization-{number:08d}"))

    def _finalize(self, number: int, seen: Seen) -> Reply:
        order = self._orders[number]
        if order.status != "ready":
            return refusal("orderNotReady", 403)
        encoded = json.loads(seen.payload)["csr"]
        der = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        order.chain = self.issue(x509.load_der_x509_csr(der), order.names)
        order.status = "valid"
        return self._order_at(number)

    def _renewal_information(self, identifier: str) -> Reply:
        leaf = self.issued.get(identifier)
        if leaf is None:
            return refusal("malformed", 404)
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        lifetime = end - begin
        return self.window(begin + lifetime * 0.65, begin + lifetime * 0.67)
