"""What can go wrong at a CA or on the way to it, one constructor for each.

A fault either answers instead of the CA, or changes what the CA has answered; and it says how the
answer leaves.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections import Counter
from collections.abc import Callable

from tests.parts.faulty_ca import changes, forging
from tests.parts.faulty_ca.endpoints import SIGNED, Endpoint
from tests.parts.faulty_ca.memory import KnownOrder
from tests.parts.faulty_ca.wire import Answer, Headers, Request

URN = "urn:ietf:params:acme:error:"
PROBLEM_TYPE = "application/problem+json"
HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
MEGABYTE = 1024 * 1024
PROCESSING = {"status": "processing", "certificate": None}


class Delivery(enum.Enum):
    """How an answer leaves."""

    WHOLE = "whole"
    # As slowly as ``pause`` says, a byte of the body at a time.
    TRICKLED = "trickled"
    # Half of what its Content-Length promises, then the end of the connection.
    TRUNCATED = "truncated"
    # Not at all: until the client goes, the proxy goes away, or ``pause`` is over.
    STALLED = "stalled"
    RESET = "reset"
    CLOSED = "closed"


@dataclasses.dataclass(frozen=True)
class Exchange:
    """A request, what the CA answered (nothing yet, if it was not asked), and its order."""

    request: Request
    endpoint: Endpoint
    answer: Answer
    order: KnownOrder | None


Make = Callable[[Exchange], Answer]
Edit = Callable[[changes.Document], changes.Document]


def _unchanged(exchange: Exchange) -> Answer:
    return exchange.answer


@dataclasses.dataclass(frozen=True)
class Fault:
    """One way to go wrong. ``asks_ca``: the CA carries the request out all the same.

    ``only_at`` is where it makes sense; elsewhere its rule does not apply. Times are in seconds.
    """

    name: str
    asks_ca: bool
    make: Make = _unchanged
    delivery: Delivery = Delivery.WHOLE
    wait: float = 0.0
    pause: float = 0.0
    only_at: frozenset[Endpoint] = frozenset(Endpoint)

    def after(self, seconds: float) -> Fault:
        """The same, but only after a wait, which comes before the CA is asked."""
        return dataclasses.replace(self, wait=seconds)

    # Answers instead of the CA

    @classmethod
    def answer(
        cls,
        status: int = 200,
        body: bytes | object = b"",
        headers: Headers = (),
        *,
        nonce: bool = False,
        name: str = "",
    ) -> Fault:
        """Any answer at all; a body that is not bytes is sent as JSON.

        ``nonce`` adds one that the CA will accept.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = Answer(status, headers, content, fresh_nonce=nonce)
        return cls(name or f"answer {status}", asks_ca=False, make=lambda _: answer)

    @classmethod
    def status(cls, status: int, *, retry_after: str = "", nonce: bool = False) -> Fault:
        """A bare status with a line of text, as a load balancer would send it."""
        headers = (("Content-Type", "text/plain"), *_retry_after(retry_after))
        body = f"HTTP {status}\n".encode()
        return cls.answer(status, body, headers, nonce=nonce, name=f"status {status}")

    @classmethod
    def problem(
        cls,
        kind: str,
        *,
        status: int = 400,
        detail: str = "said the faulty CA",
        retry_after: str = "",
        nonce: bool = True,
        **more: object,
    ) -> Fault:
        """A problem document (RFC 8555 §6.7); ``kind`` is the last word of its type."""
        return cls.answer(
            status,
            {"type": URN + kind, "detail": detail, "status": status, **more},
            (("Content-Type", PROBLEM_TYPE), *_retry_after(retry_after)),
            nonce=nonce,
            name=f"problem {kind}",
        )

    @classmethod
    def bad_nonce(cls) -> Fault:
        """Refuses the nonce, and gives a fresh one of the CA's. The refused one stays unused."""
        refusal = cls.problem("badNonce", detail="the faulty CA does not like this nonce")
        return dataclasses.replace(refusal, only_at=SIGNED)

    @classmethod
    def html(cls, status: int = 200) -> Fault:
        """A page where ACME was expected."""
        headers = (("Content-Type", "text/html"),)
        return cls.answer(status, HTML, headers, name=f"html {status}")

    @classmethod
    def huge(cls, size: int = 10 * MEGABYTE, status: int = 200) -> Fault:
        """A body of so many bytes that is even JSON."""
        headers = (("Content-Type", "application/json"),)
        body = b'{"status":"%s"}' % (b"x" * (size - 13))
        return cls.answer(status, body, headers, name="huge")

    # Lets the CA answer

    @classmethod
    def change(
        cls, name: str, make: Make, only_at: frozenset[Endpoint] = frozenset(Endpoint)
    ) -> Fault:
        """Any change to what the CA has answered."""
        return cls(name, asks_ca=True, make=make, only_at=only_at)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Right, but late."""
        return cls("slow", asks_ca=True, wait=seconds)

    @classmethod
    def without_headers(cls, *names: str) -> Fault:
        """Some headers are missing: Replay-Nonce, Location, Retry-After, Link…"""
        return cls.change(f"without {', '.join(names)}", lambda e: e.answer.without(*names))

    @classmethod
    def without_link(cls, relation: str = "up") -> Fault:
        """The Link headers of that relation are missing, others are kept."""
        return cls.change(
            f"without link {relation}", lambda e: changes.without_link(e.answer, relation)
        )

    @classmethod
    def header(cls, name: str, value: str) -> Fault:
        """A header has that value: Content-Type, Replay-Nonce, Retry-After…"""
        return cls.change(f"header {name}", lambda e: e.answer.having(name, value))

    @classmethod
    def body(cls, body: bytes) -> Fault:
        """The CA's status and headers with another body."""
        return cls.change("body", lambda e: dataclasses.replace(e.answer, body=body))

    @classmethod
    def edit(cls, edit: Edit, *, name: str = "edited") -> Fault:
        """The CA's JSON object, changed; what is none stays as it is."""

        def make(exchange: Exchange) -> Answer:
            document = exchange.answer.document
            return exchange.answer if document is None else exchange.answer.saying(edit(document))

        return cls.change(name, make)

    @classmethod
    def fields(cls, **fields: object) -> Fault:
        """Some fields of the CA's JSON object have other values; None leaves one out."""

        def edit(document: changes.Document) -> changes.Document:
            return changes.with_fields(document, fields)

        return cls.edit(edit, name=f"fields {', '.join(fields)}")

    @classmethod
    def urls(cls, base: str) -> Fault:
        """Every URL of the CA's own begins with ``base`` instead, in body and headers.

        "{host}" in it is the CA's host and port: "http://{host}", "https://evil.example".
        """
        return cls.change(f"urls {base}", lambda e: changes.moved(e.answer, e.request.origin, base))

    @classmethod
    def token(cls, token: object) -> Fault:
        """Every challenge has that token."""

        where = frozenset({Endpoint.AUTHORIZATION, Endpoint.CHALLENGE})
        edited = cls.edit(lambda document: changes.with_token(document, token), name="token")
        return dataclasses.replace(edited, only_at=where)

    @classmethod
    def processing(cls, polls: int) -> Fault:
        """An order that is finalized stays "processing" for so many polls, each order by itself."""
        polled: Counter[str] = Counter()

        def make(exchange: Exchange) -> Answer:
            answer, document = exchange.answer, exchange.answer.document
            if document is None or document.get("status") not in {"processing", "valid"}:
                return answer
            polled[exchange.request.path] += exchange.endpoint is Endpoint.ORDER
            if polled[exchange.request.path] > polls:
                return answer
            return answer.saying(changes.with_fields(document, PROCESSING))

        return cls.change("processing", make, frozenset({Endpoint.ORDER, Endpoint.FINALIZE}))

    @classmethod
    def forged(cls, forger: forging.Forger) -> Fault:
        """Another chain than was ordered, made from the CSR: see ``forging``."""

        def make(exchange: Exchange) -> Answer:
            if exchange.order is None or exchange.order.csr is None:
                return exchange.answer
            return dataclasses.replace(exchange.answer, body=forger(exchange.order.csr))

        name = f"forged {forger.__name__}"
        return cls.change(name, make, frozenset({Endpoint.CERTIFICATE}))

    @classmethod
    def rearranged(cls, rearrange: Callable[[bytes], bytes]) -> Fault:
        """The CA's own chain in another form: see ``forging``."""

        def make(exchange: Exchange) -> Answer:
            if not exchange.answer.is_success:
                return exchange.answer
            return dataclasses.replace(exchange.answer, body=rearrange(exchange.answer.body))

        name = f"rearranged {rearrange.__name__}"
        return cls.change(name, make, frozenset({Endpoint.CERTIFICATE}))

    # Hurts the connection

    @classmethod
    def stall(cls, *, after_ca: bool = False, seconds: float = 0.0) -> Fault:
        """Never answers: until somebody goes, or so much later the connection ends."""
        return cls("stall", asks_ca=after_ca, delivery=Delivery.STALLED, pause=seconds)

    @classmethod
    def reset_before(cls) -> Fault:
        """The connection is reset (RST) and the CA has not heard of the request."""
        return cls("reset before", asks_ca=False, delivery=Delivery.RESET)

    @classmethod
    def reset_after(cls) -> Fault:
        """The connection is reset (RST) when the CA has carried the request out."""
        return cls("reset after", asks_ca=True, delivery=Delivery.RESET)

    @classmethod
    def close_after(cls) -> Fault:
        """The connection ends without an answer when the CA has carried the request out."""
        return cls("close after", asks_ca=True, delivery=Delivery.CLOSED)

    @classmethod
    def truncate(cls) -> Fault:
        """Half of the CA's answer, then the end of the connection."""
        return cls("truncate", asks_ca=True, delivery=Delivery.TRUNCATED)

    @classmethod
    def trickle(cls, pause: float = 0.001) -> Fault:
        """The CA's answer, its body a byte at a time with ``pause`` seconds between them."""
        return cls("trickle", asks_ca=True, delivery=Delivery.TRICKLED, pause=pause)


def _retry_after(value: str) -> Headers:
    return (("Retry-After", value),) if value else ()
