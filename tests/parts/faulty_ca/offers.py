"""What a CA of today offers and Pebble 2.4.0 does not: renewal information, profiles, replaces.

The proxy adds it to the directory, to what it answers itself, and to the orders that pass.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import enum
import re
import threading
from collections.abc import Callable
from typing import Any

from tests.parts.faulty_ca.endpoints import Endpoint
from tests.parts.faulty_ca.faults import PROBLEM_TYPE, URN
from tests.parts.faulty_ca.memory import Issued, KnownOrder, Memory, names_of
from tests.parts.faulty_ca.wire import Answer, Request

RENEWAL_INFO_PATH = "/renewal-info"
SIX_HOURS = "21600"
CERTIFICATE_ID = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
ORDERS = frozenset({Endpoint.NEW_ORDER, Endpoint.ORDER, Endpoint.FINALIZE})


@dataclasses.dataclass(frozen=True)
class RenewalInfo:
    """An answer of RFC 9773 §4.2. ``retry_after`` is the header as it is sent; empty leaves it."""

    start: datetime.datetime
    end: datetime.datetime
    explanation_url: str = ""
    retry_after: str = SIX_HOURS


def usual_window(issued: Issued) -> RenewalInfo:
    """As Boulder does it: about two thirds of the validity (half below ten days), 2 % wide."""
    begin = issued.certificate.not_valid_before_utc
    validity = issued.certificate.not_valid_after_utc - begin
    middle = begin + (validity / 2 if validity < datetime.timedelta(days=10) else validity * 2 / 3)
    return RenewalInfo(middle - validity / 100, middle + validity / 100)


class Refusal(enum.Enum):
    """How a server says that a certificate has been replaced already (RFC 9773 §5, and before)."""

    ALREADY_REPLACED = (409, "alreadyReplaced", "has already been replaced by another order")
    CONFLICT = (409, "conflict", "already has a replacement order")
    MALFORMED = (400, "malformed", "cannot be used in replaces: it already has a replacement")


@dataclasses.dataclass(frozen=True)
class Offer:
    """What is offered; by default nothing that Pebble does not."""

    renewal_info: Callable[[Issued], RenewalInfo] | None = None
    profiles: tuple[tuple[str, str], ...] = ()
    terms_of_service: str = ""
    refuses_replaced_as: Refusal = Refusal.ALREADY_REPLACED


class Offers:
    """The offer of one CA, changed by the test in its own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offer = Offer()
        self._windows: dict[str, RenewalInfo] = {}

    def renewal_info(self, decide: Callable[[Issued], RenewalInfo] = usual_window) -> None:
        """Offer renewal information, and check ``replaces``; ``decide`` gives each window."""
        self._change(renewal_info=decide)

    def window(self, certificate_id: str, info: RenewalInfo) -> None:
        """For that certificate answer this from now on."""
        with self._lock:
            self._windows[certificate_id] = info

    def no_renewal_info(self) -> None:
        """Offer none any more."""
        self._change(renewal_info=None)

    def profiles(self, **described: str) -> None:
        """Offer exactly these profiles: name and description; without any, none."""
        self._change(profiles=tuple(described.items()))

    def terms_of_service(self, url: str) -> None:
        """Name these terms in the directory."""
        self._change(terms_of_service=url)

    def refuse_replaced_as(self, refusal: Refusal) -> None:
        """How a certificate that was replaced already is refused."""
        self._change(refuses_replaced_as=refusal)

    def answer(self, endpoint: Endpoint, request: Request, memory: Memory) -> Answer | None:
        """What the proxy says itself, so that the CA is not asked; None for all else."""
        with self._lock:
            offer, windows = self._offer, dict(self._windows)
        if endpoint is Endpoint.RENEWAL_INFO:
            return _renewal_info(offer, windows, request, memory)
        if endpoint is Endpoint.NEW_ORDER:
            return _wrong_profile(offer, request) or _wrong_replaces(offer, request, memory)
        return None

    def complete(
        self, endpoint: Endpoint, request: Request, answer: Answer, order: KnownOrder | None
    ) -> Answer:
        """The CA's answer with what is offered."""
        document = answer.document
        if document is None or not answer.is_success:
            return answer
        with self._lock:
            offer = self._offer
        if endpoint is Endpoint.DIRECTORY:
            return answer.saying(_directory(document, offer, request))
        if endpoint in ORDERS and order is not None and (order.profile or order.replaces):
            return answer.saying(document | _asked_for(offer, order))
        return answer

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._offer = dataclasses.replace(self._offer, **changes)


def _directory(document: dict[str, Any], offer: Offer, request: Request) -> dict[str, Any]:
    meta = dict(document.get("meta") or {})
    if offer.profiles:
        meta["profiles"] = dict(offer.profiles)
    if offer.terms_of_service:
        meta["termsOfService"] = offer.terms_of_service
    added = {"renewalInfo": request.origin + RENEWAL_INFO_PATH} if offer.renewal_info else {}
    return document | added | {"meta": meta}


def _asked_for(offer: Offer, order: KnownOrder) -> dict[str, str]:
    echoed = {"profile": order.profile} if offer.profiles and order.profile else {}
    return echoed | ({"replaces": order.replaces} if offer.renewal_info and order.replaces else {})


def _wrong_profile(offer: Offer, request: Request) -> Answer | None:
    profile = (request.payload or {}).get("profile")
    if not profile or not offer.profiles or profile in dict(offer.profiles):
        return None
    return _refusal(400, "invalidProfile", f"the profile {profile!r} is not offered")


def _wrong_replaces(offer: Offer, request: Request, memory: Memory) -> Answer | None:
    replaces = (request.payload or {}).get("replaces")
    if not replaces or offer.renewal_info is None:
        return None
    if not _is_certificate_id(replaces):
        return _refusal(400, "malformed", "the certificate in replaces cannot be parsed")
    issued = memory.issued.get(replaces)
    if issued is None:
        return _refusal(404, "malformed", f"no certificate {replaces} in replaces was issued here")
    if issued.order.account != request.protected.get("kid"):
        return _refusal(403, "unauthorized", "another account ordered the certificate in replaces")
    if not issued.order.names & names_of(request):
        return _refusal(400, "malformed", "the certificate in replaces has none of these names")
    if memory.replacement(replaces) is not None:
        status, kind, detail = offer.refuses_replaced_as.value
        return _refusal(status, kind, f"the certificate {replaces} {detail}")
    return None


def _renewal_info(
    offer: Offer, windows: dict[str, RenewalInfo], request: Request, memory: Memory
) -> Answer:
    if request.method != "GET" or offer.renewal_info is None:
        return _refusal(405, "malformed", "renewal information is read with GET")
    identifier = request.path.removeprefix(f"{RENEWAL_INFO_PATH}/")
    if not _is_certificate_id(identifier):
        return _refusal(400, "malformed", f"{identifier!r} does not name a certificate")
    issued = memory.issued.get(identifier)
    if issued is None:
        return _refusal(404, "malformed", f"no certificate {identifier} was issued here")
    info = windows.get(identifier) or offer.renewal_info(issued)
    document: dict[str, Any] = {
        "suggestedWindow": {"start": _rfc3339(info.start), "end": _rfc3339(info.end)}
    }
    if info.explanation_url:
        document["explanationURL"] = info.explanation_url
    answer = Answer(200, (("Content-Type", "application/json"),)).saying(document)
    return answer.having("Retry-After", info.retry_after) if info.retry_after else answer


def _is_certificate_id(text: object) -> bool:
    """RFC 9773 §4.1: two parts of base64url without padding."""
    match = CERTIFICATE_ID.fullmatch(text) if isinstance(text, str) else None
    try:
        return match is not None and all(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in match.groups()
        )
    except binascii.Error:
        return False


def _rfc3339(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _refusal(status: int, kind: str, detail: str) -> Answer:
    headers = (("Content-Type", PROBLEM_TYPE),)
    answer = Answer(status, headers, fresh_nonce=True)
    return answer.saying({"type": URN + kind, "detail": detail, "status": status})
