"""What the pages about certificates show."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from django.core.paginator import Page
from django.utils.translation import gettext as _

from certificates import deploying, pem, plans
from certificates.models import Certificate, Gateway, RenewalInformation
from certificates.policy import selecting
from certificates.policy.names import covers
from certificates.policy.validity import Validity, days_left, validity
from certificates.queries.pages import page_of

ROWS_PER_PAGE = 50
# Neither the chain nor the sealed key is for a list.
_HEAVY = ("chain_pem", "sealed_key")


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate and what the clock says about it.

    ``tone`` is good, attention, bad or neutral; ``status`` the words for it.
    """

    certificate: Certificate
    gateway: Gateway
    days_left: int
    is_selected: bool
    tone: str
    status: str


def certificates_page(
    number: str | None, gateway: Gateway | None, now: datetime.datetime
) -> Page[CertificateRow]:
    """One page of certificates, newest first. Two queries."""
    # By number rather than by time, which is the same and needs no sorting.
    found = Certificate.objects.select_related("gateway").defer(*_HEAVY).order_by("-pk")
    if gateway is not None:
        found = found.filter(gateway=gateway)
    return page_of(found, number, ROWS_PER_PAGE, certificate_rows, now)


def newest_certificates(
    gateway: Gateway, count: int, now: datetime.datetime
) -> list[CertificateRow]:
    """The gateway's newest certificates. One query."""
    found = gateway.certificates.select_related("gateway").defer(*_HEAVY)
    return certificate_rows(found[:count], now)


def certificate_rows(
    certificates: Iterable[Certificate], now: datetime.datetime
) -> list[CertificateRow]:
    """The certificates as they are listed; each with its gateway fetched already."""
    return [certificate_row(certificate, now) for certificate in certificates]


def certificate_row(certificate: Certificate, now: datetime.datetime) -> CertificateRow:
    """One certificate as it is listed."""
    gateway = certificate.gateway
    is_selected = gateway.selected_certificate_id == certificate.pk
    state = validity(certificate.not_before, certificate.not_after, now)
    tone, status = state.tone, validity_words(state)
    if is_selected and state is Validity.VALID:
        status = _("In use")
    elif not is_selected:
        # Whatever becomes of a certificate that nobody uses, it is no reason to worry.
        tone = "neutral"
        if _is_unfit(certificate, gateway, now):
            status = cannot_be_used()
    return CertificateRow(
        certificate,
        gateway,
        days_left(certificate.not_after, now),
        is_selected,
        tone,
        status,
    )


def cannot_be_used() -> str:
    """The words for what may not be selected; its page says why."""
    return _("Cannot be used")


def _is_unfit(certificate: Certificate, gateway: Gateway, now: datetime.datetime) -> bool:
    """Whether it cannot be used though it is valid, as far as can be told without its key."""
    candidate = selecting.Candidate(
        names=tuple(certificate.names),
        issuer=certificate.issuer,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        is_staging=certificate.issuer.lower().startswith(pem.STAGING_ISSUERS),
    )
    problem = selecting.why_not(candidate, gateway.names, now)
    return problem is not None and problem.code not in selecting.OUT_OF_TIME


def validity_words(state: Validity) -> str:
    """The words on the screen."""
    match state:
        case Validity.NOT_YET:
            return _("Not yet valid")
        case Validity.VALID:
            return _("Valid")
        case Validity.EXPIRES_SOON:
            return _("Expires soon")
        case Validity.EXPIRED:
            return _("Expired")


def renewal_information(certificate: Certificate) -> RenewalInformation | None:
    """What the CA has said about the certificate's renewal, if it has named a window."""
    return plans.information(certificate) if plans.window(certificate) else None


def missing_names(certificate: Certificate, gateway: Gateway) -> list[str]:
    """The gateway's names that the certificate does not hold."""
    held = tuple(certificate.names)
    return [name for name in gateway.names if not covers(held, name)]


def in_groups(hexadecimal: str) -> str:
    """A serial number or fingerprint as it is read aloud: pairs with colons between them."""
    even = hexadecimal.zfill(len(hexadecimal) + len(hexadecimal) % 2)
    return ":".join(even[start : start + 2] for start in range(0, len(even), 2)).upper()


def consequences_of_use(certificate: Certificate) -> list[str]:
    """What follows from using the certificate, in sentences. One query."""
    gateway = certificate.gateway
    sentences = [
        _("The services of %(gateway)s get this certificate and its private key at once.")
        % {"gateway": gateway}
    ]
    issued = deploying.newest_issued(gateway)
    if issued is not None and issued.pk == certificate.pk:
        sentences.append(
            _("It is the newest certificate from Let's Encrypt, so it is renewed automatically.")
            if gateway.uses_lets_encrypt
            else _(
                "It is the newest certificate from Let's Encrypt: the certificate source becomes "
                "Let's Encrypt again, and it is renewed automatically."
            )
        )
    else:
        sentences.append(_("The certificate source becomes Manual, and automatic renewal is off."))
        sentences.append(
            _("One button on the gateway's page returns to Let's Encrypt at any time.")
        )
    return sentences
