"""A CA's JSON read into our own values: nothing is believed without a look, nothing is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from acme import messages
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable

from certificates.authority.answers import (
    Directory,
    InvalidAnswerError,
    RenewalInformationAnswer,
)
from certificates.policy.acme_document import URN, CaProblem
from challenges.problems import legible

MOST_PROFILES = 20
LONGEST_DESCRIPTION = 500
LONGEST_LINK = 500  # characters, as the rows keep them
MOST_SUBPROBLEMS = 100
MOST_CAA_IDENTITIES = 10
_PROFILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DOMAIN_NAME = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,8}")

# What the libraries raise for documents that are none, or are nested a thousand deep.
NOT_ACME = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    DeserializationError,
)

_Parsed = TypeVar("_Parsed", bound=JSONDeSerializable)


@contextlib.contextmanager
def doubting() -> Iterator[None]:
    """Whatever goes wrong inside because a document is not what it should be is its own fault.

    Raises InvalidAnswerError.
    """
    try:
        yield
    except NOT_ACME as error:
        raise InvalidAnswerError(f"the CA's answer is not ACME: {error!s:.300}") from error


def parse(kind: type[_Parsed], body: bytes) -> Any:
    """The body as the library's message. Raises InvalidAnswerError."""
    with doubting():
        return kind.from_json(json.loads(body))


def read_directory(url: str, body: bytes, trusted: Callable[[str], str]) -> Directory:
    """The directory (RFC 8555 §7.1.1). ``trusted`` returns an address or raises.

    Raises InvalidAnswerError where a part is missing that nothing goes without; what else is
    wrong is left out.
    """
    document = _object(body)
    meta = _mapping(document.get("meta"))
    return Directory(
        url=url,
        new_nonce=trusted(_text(document.get("newNonce"))),
        new_account=trusted(_text(document.get("newAccount"))),
        new_order=trusted(_text(document.get("newOrder"))),
        terms_of_service=_web_link(meta.get("termsOfService")),
        external_account_required=bool(meta.get("externalAccountRequired")),
        renewal_info=_trusted_or_none(document.get("renewalInfo"), trusted),
        profiles=_profiles(meta.get("profiles")),
        caa_identities=_identities(meta.get("caaIdentities")),
    )


def read_renewal_information(
    body: bytes, retry_after: datetime.datetime | None
) -> RenewalInformationAnswer:
    """The suggested window (RFC 9773 §4.2). Raises InvalidAnswerError without a proper one."""
    document = _object(body)
    window = _mapping(document.get("suggestedWindow"))
    start, end = _moment(window.get("start")), _moment(window.get("end"))
    if end <= start:
        raise InvalidAnswerError("the CA's renewal window ends before it begins")
    return RenewalInformationAnswer(
        window_start=start,
        window_end=end,
        explanation_url=_web_link(document.get("explanationURL")),
        retry_after=retry_after,
    )


def read_refusal(status: int, body: bytes, retry_after: datetime.datetime | None) -> CaProblem:
    """An error's problem document (RFC 8555 §6.7), or its text where it is none."""
    try:
        error = messages.Error.from_json(json.loads(body))
    except NOT_ACME:
        text = legible(body.decode("utf-8", "replace"), 500)
        return CaProblem("", f"HTTP status {status}: {text}", status, retry_after=retry_after)
    return dataclasses.replace(read_problem(error), status=status, retry_after=retry_after)


def read_problem(error: messages.Error, identifier: str = "") -> CaProblem:
    """The library's error as ours, legible and cut to a length that can be stored and shown."""
    return dataclasses.replace(
        _problem(error, identifier),
        subproblems=tuple(
            _problem(sub, "") for sub in (error.subproblems or ())[:MOST_SUBPROBLEMS]
        ),
    )


def utc(moment: datetime.datetime) -> datetime.datetime:
    """The moment as aware UTC. Raises OverflowError at the ends of the calendar."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return aware.astimezone(datetime.UTC)


def _problem(error: messages.Error, identifier: str) -> CaProblem:
    named = getattr(error, "identifier", None)
    return CaProblem(
        type=legible(str(error.typ or "").removeprefix(URN), 64),
        detail=legible(str(error.detail or ""), 4000),
        identifier=legible(str(named.value) if named is not None else identifier, 253),
    )


def _object(body: bytes) -> Mapping[str, Any]:
    with doubting():
        document = json.loads(body)
    if not isinstance(document, dict):
        raise InvalidAnswerError("the CA's answer is not a JSON object")
    return document


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime.datetime:
    """A moment of RFC 3339; one without a zone is taken for UTC."""
    try:
        return utc(datetime.datetime.fromisoformat(_text(value)))
    except (ValueError, OverflowError) as error:
        raise InvalidAnswerError(f"the CA named no proper time: {value!s:.100}") from error


def _trusted_or_none(value: object, trusted: Callable[[str], str]) -> str:
    try:
        return trusted(_text(value))
    except InvalidAnswerError:
        return ""


def _profiles(value: object) -> Mapping[str, str]:
    """Descriptions by name (draft-aaron-acme-profiles §3); what is no profile is left out."""
    proper = (
        (name, legible(description, LONGEST_DESCRIPTION))
        for name, description in _mapping(value).items()
        if _PROFILE_NAME.fullmatch(name) and isinstance(description, str)
    )
    return dict(itertools.islice(proper, MOST_PROFILES))


def _identities(value: object) -> tuple[str, ...]:
    """The domain names in ``caaIdentities`` (RFC 8555 §7.1.1); what is none is left out."""
    said = value if isinstance(value, list) else []
    names = (name.lower().rstrip(".") for name in said if isinstance(name, str))
    proper = (name for name in names if _DOMAIN_NAME.fullmatch(name))
    return tuple(itertools.islice(proper, MOST_CAA_IDENTITIES))


def _web_link(value: object) -> str:
    """The address, if a page may show it as a link; else nothing."""
    text = _text(value)
    if len(text) > LONGEST_LINK or not text.isprintable() or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"https", "http"} and parts.hostname else ""
