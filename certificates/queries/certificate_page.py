"""What a certificate's own page shows besides its row: chain, DNS records, use, origin, plan."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings
from django.utils.translation import gettext as _

from certificates import deploying, pem, plans, store, versions
from certificates.models import Certificate, FollowedFiles, Gateway, Origin
from certificates.policy import selecting
from certificates.policy.names import covers
from certificates.policy.validity import Validity, validity
from certificates.policy.warnings import MANUAL_WARNINGS, next_manual_warning
from certificates.queries.certificates import (
    CertificateRow,
    cannot_be_used,
    certificate_row,
    certificate_rows,
    in_groups,
)
from certificates.queries.chains import ChainLink, chain_links, missing_issuer
from challenges.problems import Problem, ProblemError

# SMTP first: it is where DANE counts (RFC 7672), and what every mail gateway offers.
SMTP_PORT = 25
OTHER_PORTS = (465, 587, 993, 995)
# What another tool renews has ever more of them.
MOST_VERSIONS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class TlsaRecords:
    """Lines for a zone file: those for SMTP, those for other mail ports, and when they change."""

    smtp: str
    others: str
    changes: str


@dataclasses.dataclass(frozen=True, slots=True)
class RenewalPlan:
    """What comes next for this certificate, in a sentence.

    ``renewed_at`` is when it is renewed by itself, ``warned_at`` when the next warning of its end
    comes; of the two at most one.
    """

    sentence: str
    renewed_at: datetime.datetime | None = None
    warned_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CertificatePage:
    """One certificate's page. ``live_directory`` is where its files are while it is in use.

    ``sha1`` and ``public_key`` are in groups, empty where the chain cannot be read; ``files`` the
    names of what may be downloaded; ``missing_issuer`` what its chain lacks; ``followed`` the files
    that it came from, if it did; ``versions`` the newest ones first, and empty where there is one
    alone, ``unlisted`` how many older ones there are besides. ``replaced_next`` is the number of
    the one that a new version would come after, None where there can be none.
    """

    status: str
    links: tuple[ChainLink, ...]
    missing_issuer: Problem | None
    files: tuple[str, ...]
    sha1: str
    public_key: str
    records: TlsaRecords | None
    plan: RenewalPlan
    came: str
    live_directory: Path | None
    is_used_by_console: bool
    followed: FollowedFiles | None
    versions: list[CertificateRow]
    unlisted: int
    why_not: Problem | None
    replaced_next: int | None


def certificate_page(certificate: Certificate, now: datetime.datetime) -> CertificatePage:
    """Everything of one certificate, which comes with its gateway. About six queries.

    Of the versions only what is listed is fetched: another tool may have made thousands.
    """
    gateway = certificate.gateway
    is_selected = gateway.selected_certificate_id == certificate.pk
    chain = _chain(certificate)
    line = versions.line(certificate)
    followed = _followed(gateway, line)
    why_not = None if is_selected else _why_not(certificate, now)
    return CertificatePage(
        status=cannot_be_used() if why_not else certificate_row(certificate, now).status,
        links=chain_links(chain),
        missing_issuer=missing_issuer(chain),
        files=_files(chain),
        sha1=_sha1(chain),
        public_key=in_groups(pem.facts(chain[:1]).spki_sha256) if chain else "",
        records=tlsa_records(certificate, chain),
        plan=renewal_plan(certificate, followed, now),
        came=_came(certificate, followed),
        live_directory=store.live_directory(gateway) if is_selected else None,
        is_used_by_console=is_selected and settings.CONFIGURATION.console_gateway == gateway.slug,
        followed=followed,
        versions=certificate_rows(_versions(gateway, line), now) if len(line) > 1 else [],
        unlisted=max(0, len(line) - MOST_VERSIONS),
        why_not=why_not,
        replaced_next=line[0] if certificate.origin != Origin.LETS_ENCRYPT else None,
    )


def why_not_replaceable(certificate: Certificate) -> str:
    """Why no new version of it can be brought in; empty when one can."""
    if certificate.origin == Origin.LETS_ENCRYPT:
        return _(
            "A certificate from Let's Encrypt is replaced by its renewal. One from elsewhere can "
            "be imported as a certificate of its own."
        )
    if versions.line(certificate)[0] != certificate.pk:
        return _("This certificate has been replaced already. Replace its newest version instead.")
    return ""


def is_line_used(certificate: Certificate) -> bool:
    """Whether some version of it is in use, and so the next one at once. One query."""
    selected = certificate.gateway.selected_certificate_id
    return selecting.takes_over(selected, versions.line(certificate))


def missing_issuer_of(certificate: Certificate) -> Problem | None:
    """That its chain ends too early, if it does. No query."""
    return missing_issuer(_chain(certificate))


def tlsa_records(certificate: Certificate, chain: list[x509.Certificate]) -> TlsaRecords | None:
    """The records DANE-EE, public key, SHA-256 for the gateway's names that it covers."""
    names = [name for name in certificate.gateway.names if covers(certificate.names, name)]
    if not names or not chain:
        return None
    digest = pem.facts(chain[:1]).spki_sha256
    return TlsaRecords(
        smtp=_lines(names, (SMTP_PORT,), digest),
        others=_lines(names, OTHER_PORTS, digest),
        changes=_changes(certificate),
    )


def renewal_plan(
    certificate: Certificate, followed: FollowedFiles | None, now: datetime.datetime
) -> RenewalPlan:
    """What comes next for the certificate. Two queries where it is renewed automatically."""
    gateway = certificate.gateway
    if gateway.selected_certificate_id != certificate.pk:
        return RenewalPlan(
            _("It is not in use, so nothing renews it, and no warning comes before it expires.")
        )
    if plans.is_automatic(gateway, certificate):
        plan = plans.plan(gateway, certificate, plans.circumstances([gateway]), now)
        if plan is not None and plan.is_at_once:
            return RenewalPlan(
                plan.reason.sentence, warned_at=next_manual_warning(certificate.not_after, now)
            )
        if plan is not None:
            return RenewalPlan(plan.reason.sentence, renewed_at=plan.at)
        return RenewalPlan(
            _("The automatic renewal has stopped. The gateway's page says why, and what to do.")
        )
    if followed is not None:
        return RenewalPlan(
            _(
                "Another tool renews it: a new certificate in the followed files is checked and "
                "used within a minute."
            )
        )
    if validity(certificate.not_before, certificate.not_after, now) is Validity.EXPIRED:
        return RenewalPlan(
            _("It has expired, and nothing renews it automatically. Replace it now.")
        )
    days = ", ".join(str(day) for day in sorted(MANUAL_WARNINGS, reverse=True)[:-1])
    sentence = _(
        "Nothing renews it automatically, because the certificate source is Manual. Warnings come "
        "%(days)s and %(last)s days before its end; replace it in time."
    )
    return RenewalPlan(
        sentence % {"days": days, "last": min(MANUAL_WARNINGS)},
        warned_at=next_manual_warning(certificate.not_after, now),
    )


def _chain(certificate: Certificate) -> list[x509.Certificate]:
    """The stored chain; nothing where it cannot be read, which is no reason to show no page."""
    try:
        return pem.split(certificate.chain_pem.encode())
    except ProblemError:
        return []


def _files(chain: list[x509.Certificate]) -> tuple[str, ...]:
    if not chain:
        return ()
    return ("fullchain.pem", "cert.pem", "chain.pem") if len(chain) > 1 else ("cert.pem",)


def _sha1(chain: list[x509.Certificate]) -> str:
    """To compare with what other programs show; nothing rests on it."""
    return in_groups(chain[0].fingerprint(hashes.SHA1()).hex()) if chain else ""  # noqa: S303


def _lines(names: list[str], ports: tuple[int, ...], digest: str) -> str:
    return "\n".join(
        f"_{port}._tcp.{name}. IN TLSA 3 1 1 {digest}" for name in names for port in ports
    )


def _changes(certificate: Certificate) -> str:
    if certificate.origin != Origin.LETS_ENCRYPT:
        return _("They change when a certificate with another private key takes its place.")
    if certificate.gateway.keeps_key:
        return _("They stay the same at renewals, because this gateway keeps its private key.")
    return _(
        "They change at every renewal, which makes a new private key. Before you publish them, "
        "choose “Keep the same private key at renewal” in the gateway's settings."
    )


def _came(certificate: Certificate, followed: FollowedFiles | None) -> str:
    match certificate.origin:
        case Origin.LETS_ENCRYPT:
            return _("Obtained from Let's Encrypt")
        case Origin.REQUESTED:
            return _("A CA's answer to a certificate request of this console")
        case Origin.SELF_SIGNED:
            return _("Made and signed by this console")
        case _ if followed is not None:
            return _("Read from files that another tool renews")
        case _:
            return _("Imported")


def _versions(gateway: Gateway, line: list[int]) -> list[Certificate]:
    """The newest of them; all are of one gateway, which is here already."""
    found = versions.fetch(line[:MOST_VERSIONS])
    for version in found:
        version.gateway = gateway
    return found


def _followed(gateway: Gateway, line: list[int]) -> FollowedFiles | None:
    """The files that the gateway follows, if one of these certificates came from them."""
    files: FollowedFiles | None = getattr(gateway, "followed_files", None)
    return files if files is not None and files.certificate_id in line else None


def _why_not(certificate: Certificate, now: datetime.datetime) -> Problem | None:
    """Asked of a row of its own, so that the one on the page never holds the sealed key."""
    whole = Certificate.objects.select_related("gateway").get(pk=certificate.pk)
    return deploying.why_not_selectable(whole, whole.gateway, now)
