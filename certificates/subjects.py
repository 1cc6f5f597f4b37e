"""Decides what can stand in a certificate request: names, key type, the organization's particulars.

Nothing is stored here. Every refusal is a Problem at the field it belongs to.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from cryptography import x509
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext as _

from certificates.models import Gateway
from certificates.policy import selecting
from certificates.policy.keys import KeyType
from certificates.policy.names import covers
from challenges import hostnames
from challenges.problems import Problem, ProblemError, Severity

MOST_NAMES = hostnames.MOST_ADDITIONAL + 1
_WILDCARD = "*."
_SEPARATORS = re.compile(r"[\s,;]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_is_email = EmailValidator(allowlist=[])


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What some CAs want to know of the organization, as typed; empty for what is left out.

    ``country`` is the code of two letters (ISO 3166).
    """

    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""
    email: str = ""


# In the order in which they stand in a name, with the upper bounds of RFC 5280, appendix A.
_PARTS = (
    ("country", x509.NameOID.COUNTRY_NAME, 2),
    ("state", x509.NameOID.STATE_OR_PROVINCE_NAME, 128),
    ("locality", x509.NameOID.LOCALITY_NAME, 128),
    ("organization", x509.NameOID.ORGANIZATION_NAME, 64),
    ("organizational_unit", x509.NameOID.ORGANIZATIONAL_UNIT_NAME, 64),
    ("email", x509.NameOID.EMAIL_ADDRESS, 255),
)


class RequestRejectedError(ProblemError):
    """Something that was typed cannot stand in a request.

    ``errors`` holds all refusals by field: those of :class:`Subject`, ``names`` and ``key_type``;
    ``problem`` is the first of them.
    """

    def __init__(self, errors: Mapping[str, Problem]) -> None:
        super().__init__(next(iter(errors.values())))
        self.errors = dict(errors)


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What a request will hold: names as A-labels, and the particulars that were given."""

    names: list[str]
    key_type: KeyType
    particulars: dict[str, str]

    @property
    def attributes(self) -> list[x509.NameAttribute[str]]:
        """The particulars as they stand in a name."""
        return [
            x509.NameAttribute(oid, self.particulars[field])
            for field, oid, _longest in _PARTS
            if field in self.particulars
        ]


def checked(gateway: Gateway, names: Sequence[str], key_type: str, subject: Subject) -> Content:
    """All of it as it can be put into a request, for all the gateway's names where none is given.

    Raises RequestRejectedError with all refusals at once.
    """
    errors: dict[str, Problem] = {}
    wanted: list[str] = []
    try:
        wanted = _names(gateway, names)
    except ProblemError as error:
        errors["names"] = error.problem
    if key_type not in set(KeyType):
        errors["key_type"] = _unknown_key_type(key_type)
    particulars: dict[str, str] = {}
    for field, _oid, longest in _PARTS:
        text = str(getattr(subject, field)).strip()
        particulars[field] = text.upper() if field == "country" else text
        if problem := _why_not(field, particulars[field], longest):
            errors[field] = problem
    if errors:
        raise RequestRejectedError(errors)
    given = {field: text for field, text in particulars.items() if text}
    return Content(wanted, KeyType(key_type), given)


def _names(gateway: Gateway, typed: Sequence[str]) -> list[str]:
    """The names, the gateway's own first; a wildcard may be bought, so it may stand here."""
    entries = [entry for text in typed for entry in _SEPARATORS.split(text) if entry]
    names = list(dict.fromkeys(_name(entry) for entry in entries[: MOST_NAMES + 1]))
    if len(entries) > MOST_NAMES:
        raise ProblemError(_too_many(len(entries)))
    if not names:
        return gateway.names
    if not any(covers(names, name) for name in gateway.names):
        raise ProblemError(_foreign(gateway))
    return sorted(names, key=lambda name: name != gateway.hostname)


def _name(typed: str) -> str:
    if typed.startswith(_WILDCARD):
        return _WILDCARD + hostnames.normalise(typed.removeprefix(_WILDCARD))
    return hostnames.normalise(typed)


def _why_not(field: str, text: str, longest: int) -> Problem | None:
    if field == "country" and text and not _COUNTRY.fullmatch(text):
        return _refusal(
            _("“%(typed)s” is not the code of a country.") % {"typed": text[:80]},
            _("Enter its two letters, such as DE or US."),
        )
    if field == "email" and text and not _is_an_email(text):
        return _refusal(
            _("“%(typed)s” is not an email address.") % {"typed": text[:80]},
            _("Enter a name, an @ and a domain, such as postmaster@example.com."),
        )
    if len(text) > longest or len(text.encode()) > 2 * longest:
        return _refusal(
            _("This is too long for a certificate request."),
            _("Use at most %(most)d characters.") % {"most": longest},
        )
    if not text.isprintable():
        return _refusal(
            _("This holds a character that cannot be printed."),
            _("Type it anew instead of pasting it."),
        )
    return None


def _is_an_email(text: str) -> bool:
    try:
        _is_email(text)
    except ValidationError:
        return False
    # An IA5String, RFC 5280 §4.1.2.6.
    return text.isascii()


def _unknown_key_type(typed: str) -> Problem:
    return _refusal(
        _("“%(typed)s” is not a key type.") % {"typed": typed[:80]},
        _("Choose one of: %(choices)s") % {"choices": ", ".join(KeyType)},
    )


def _too_many(count: int) -> Problem:
    return _refusal(
        _("These are %(count)d names, and a certificate has room for %(most)d.")
        % {"count": count, "most": MOST_NAMES},
        _("Remove some of them."),
    )


def _foreign(gateway: Gateway) -> Problem:
    return _refusal(
        _("None of these names is one of the gateway's: %(names)s.")
        % {"names": selecting.listed(gateway.names)},
        _("Add the gateway's names, or choose the gateway that the certificate is for."),
    )


def _refusal(explanation: str, remedy: str) -> Problem:
    return Problem(
        code="request-unusable",
        severity=Severity.ERROR,
        explanation=explanation,
        remedy=(remedy,),
    )
