"""A chain of certificates as it is drawn: from the leaf to the root that nobody sends."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from cryptography import x509
from django.utils.translation import gettext as _

from certificates import pem
from certificates.parsing import notes
from certificates.policy.keys import KeyType
from challenges.problems import Problem, legible_line

# Of a name that stands in a certificate, which anybody may have written.
_LONGEST_NAME = 200


class LinkKind(enum.StrEnum):
    """What a certificate is in its chain; each is drawn in a shape of its own."""

    LEAF = "leaf"
    SELF_SIGNED = "self-signed"
    INTERMEDIATE = "intermediate"
    ROOT = "root"
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of the drawing; of an absent one only the name is known."""

    kind: LinkKind
    name: str
    note: str
    key_type: str = ""
    not_after: datetime.datetime | None = None

    @property
    def label(self) -> str:
        """What it is, in words."""
        match self.kind:
            case LinkKind.LEAF | LinkKind.SELF_SIGNED:
                return _("This certificate")
            case LinkKind.INTERMEDIATE:
                return _("Intermediate certificate")
            case LinkKind.ROOT:
                return _("Root certificate")
            case LinkKind.ABSENT:
                return _("Issuer that is not sent along")


def chain_links(chain: list[x509.Certificate]) -> tuple[ChainLink, ...]:
    """The links of a chain in order, and at last the issuer that is not in it."""
    if not chain:
        return ()
    links = [_link(certificate, number) for number, certificate in enumerate(chain)]
    last = chain[-1]
    if last.issuer != last.subject:
        links.append(ChainLink(LinkKind.ABSENT, _name(last.issuer), _absence(len(chain))))
    return tuple(links)


def missing_issuer(chain: list[x509.Certificate]) -> Problem | None:
    """That an intermediate certificate is missing, for all that a stored chain tells.

    Where a certificate names no address of its issuer's, it may be a private CA's root that is
    missing, which nobody sends: of that the drawing says what there is to say.
    """
    if not chain or not notes.issuer_address(chain[-1]):
        return None
    return notes.missing_issuer(chain)


def _name(name: x509.Name) -> str:
    """What a certificate calls somebody: hostile text on one line."""
    return legible_line(pem.short_name(name), _LONGEST_NAME)


def _link(certificate: x509.Certificate, number: int) -> ChainLink:
    kind, note = _kind(certificate, number)
    facts = pem.facts([certificate])
    return ChainLink(
        kind,
        facts.names[0] if number == 0 and facts.names else _name(certificate.subject),
        note,
        KeyType(facts.key_type).label if facts.key_type in set(KeyType) else facts.key_type,
        facts.not_after,
    )


def _kind(certificate: x509.Certificate, number: int) -> tuple[LinkKind, str]:
    is_own_issuer = certificate.issuer == certificate.subject
    if number == 0 and is_own_issuer:
        return LinkKind.SELF_SIGNED, _("Signed by itself: no other computer trusts it.")
    if number == 0:
        return LinkKind.LEAF, ""
    if is_own_issuer:
        return LinkKind.ROOT, _("Sent along, though whoever trusts it has it already.")
    return LinkKind.INTERMEDIATE, ""


def _absence(length: int) -> str:
    if length == 1:
        return _(
            "Not in the file. If it is an intermediate certificate, others cannot build the chain: "
            "import the certificate again together with it."
        )
    return _("In the trust stores of other computers, if they trust this CA.")
