"""Takes certificates and account over from certbot, so that this console goes on renewing them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
from collections.abc import Collection
from pathlib import Path

from django.conf import settings
from django.db import transaction

from certificates import (
    accounts,
    adding,
    certbot_directory,
    configuring,
    deploying,
    events,
    following,
    importing,
    plans,
)
from certificates.certbot_directory import CertbotAccount, Lineage
from certificates.checking import LONGEST_SLUG, RESERVED_SLUGS
from certificates.models import (
    Account,
    Certificate,
    CertificateSource,
    FollowedFiles,
    Gateway,
    Origin,
)
from certificates.policy import certbot
from certificates.policy.keys import KeyType
from certificates.policy.names import covers, identifier_set
from challenges.problems import Problem, ProblemError


@dataclasses.dataclass(frozen=True, slots=True)
class TakenLineage:
    """A lineage that is here now. ``notes`` say what is wrong with it, or keeps it from use.

    ``is_renewed``: this console renews what it is for, so that certbot need not.
    """

    name: str
    gateway: Gateway
    is_new_gateway: bool
    certificate: Certificate
    is_in_use: bool
    is_renewed: bool
    notes: tuple[Problem, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class TakenOver:
    """What came of it. ``account`` is the one that renewals use from now on, if there is one."""

    lineages: tuple[TakenLineage, ...]
    account: Account | None
    notes: tuple[Problem, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """A lineage whose files have been found to be in order."""

    lineage: Lineage
    imported: importing.ImportedCertificate

    @property
    def origin(self) -> Origin:
        """Renewed by us only what comes from the CA that we ask, and can be had by HTTP-01."""
        is_ours = self.is_from_our_ca and not self.wildcards
        return Origin.LETS_ENCRYPT if is_ours else Origin.IMPORTED

    @property
    def is_from_our_ca(self) -> bool:
        """Whether this console asks the same CA."""
        return self.lineage.server == settings.CONFIGURATION.acme_production_url

    @property
    def wildcards(self) -> list[str]:
        """Names whose control cannot be proven over HTTP."""
        return [name for name in self.imported.chain.names if name.startswith("*.")]

    @property
    def hostnames(self) -> list[str]:
        """The other names; first the one that certbot has named the lineage by."""
        names = [name for name in self.imported.chain.names if not name.startswith("*.")]
        return sorted(names, key=lambda name: name != self.lineage.name)


def take_over(
    directory: Path,
    now: datetime.datetime,
    *,
    gateway: Gateway | None = None,
    select: bool = False,
    wanted: Collection[str] = (),
    by: str = "",
) -> TakenOver:
    """Bring in lineages, their keys and the account. Safe to repeat.

    Each lineage goes to ``gateway``, or to the one of the same names, or to a new one. It is put
    to use where nothing is yet, or with ``select``. Raises ProblemError, with nothing stored,
    when any part of the directory cannot be used.
    """
    server = settings.CONFIGURATION.acme_production_url
    # As the bounds of what is read are: without links, and without steps back.
    directory = directory.resolve()
    lineages = certbot_directory.lineages(directory, wanted)
    account = certbot_directory.account(directory, server, lineages)
    if gateway is not None and len(lineages) > 1:
        raise ProblemError(certbot.one_only(str(directory), [lineage.name for lineage in lineages]))
    read = [_Read(lineage, _imported(lineage, now)) for lineage in lineages]
    # The newest first: of several for the same names that is the one to use.
    read.sort(key=lambda each: each.imported.chain.not_before, reverse=True)
    # Entered one after the other and left together, so that a failure with the last of them
    # also takes back the files that were switched for the first.
    with transaction.atomic(), contextlib.ExitStack() as held:
        kept = _take_account(server, account, now, by)
        taken: list[TakenLineage] = []
        for each in read:
            row, is_new = _gateway_for(each, gateway, account, now, by)
            row = held.enter_context(deploying.changing(row.pk))
            taken.append(_take(each, row, is_new, now, by, select=select))
    is_kept = account is not None and kept is not None and kept.thumbprint != account.key.thumbprint
    renewed = {lineage.name for lineage in taken if lineage.is_renewed}
    others = [name for name in certbot_directory.names(directory) if name not in renewed]
    notes = (certbot.goes_on(others), *([certbot.account_kept(server)] if is_kept else []))
    return TakenOver(tuple(taken), kept, notes)


def _imported(lineage: Lineage, now: datetime.datetime) -> importing.ImportedCertificate:
    try:
        return importing.read([lineage.chain, lineage.key], now=now)
    except ProblemError as error:
        raise ProblemError(certbot.about(lineage.name, error.problem)) from None


def _take_account(
    server: str, account: CertbotAccount | None, now: datetime.datetime, by: str
) -> Account | None:
    """Certbot's account, unless this console has one; returns the one that there is now."""
    if account is not None and accounts.bring_in(
        server, account.key, account.url, account.contact_email
    ):
        events.record(
            "account-taken-over",
            f"The account at {server} was taken over from certbot{events.by_whom(by)}.",
            detail=account.url,
            at=now,
        )
    return Account.objects.filter(directory_url=server).first()


def _gateway_for(
    each: _Read,
    given: Gateway | None,
    account: CertbotAccount | None,
    now: datetime.datetime,
    by: str,
) -> tuple[Gateway, bool]:
    """The gateway that the lineage belongs to, and whether it was made for it."""
    names = identifier_set(each.hostnames)
    same = given or next(
        (
            row
            for row in Gateway.objects.all()
            if each.hostnames and identifier_set(row.names) == names
        ),
        None,
    )
    row = same or _new_gateway(each, account, now, by)
    if each.origin == Origin.LETS_ENCRYPT and account is not None and not row.terms_agreed_at:
        # Whoever has an account has agreed to the terms when it was made.
        row.terms_agreed_at = account.created_at or now
        Gateway.objects.filter(pk=row.pk).update(terms_agreed_at=row.terms_agreed_at)
    return row, same is None


def _new_gateway(
    each: _Read, account: CertbotAccount | None, now: datetime.datetime, by: str
) -> Gateway:
    name = each.lineage.name
    if not each.hostnames:
        raise ProblemError(certbot.only_wildcards(name))
    is_ours = each.origin == Origin.LETS_ENCRYPT
    key_type = each.imported.chain.key_type
    wishes = configuring.Wishes(
        hostname=each.hostnames[0],
        additional_hostnames=",".join(each.hostnames[1:]),
        contact_email=account.contact_email if account is not None else None,
        certificate_source=(
            CertificateSource.LETS_ENCRYPT if is_ours else CertificateSource.MANUAL
        ).value,
        key_type=key_type if key_type in set(KeyType) else None,
    )
    try:
        configured = configuring.configure(_free_slug(name), wishes, now=now, by=by)
    except configuring.ConfigurationRejected as error:
        raise ProblemError(certbot.about(name, next(iter(error.errors.values())))) from None
    if configured.gateway is None:
        raise AssertionError("unreachable: a hostname concerns a gateway")
    return configured.gateway


def _free_slug(name: str) -> str:
    """The lineage's name as a short name that no gateway has yet."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower())[: LONGEST_SLUG - 5].strip("-") or "gateway"
    taken = {*Gateway.objects.values_list("slug", flat=True), *RESERVED_SLUGS}
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    return slug


def _take(
    each: _Read, row: Gateway, is_new: bool, now: datetime.datetime, by: str, *, select: bool
) -> TakenLineage:
    """Store the certificate, and put it to use where nothing is yet or where that is asked for."""
    followed = FollowedFiles.objects.filter(gateway=row).first()
    may_be_used = deploying.why_not_usable(each.imported.chain, row, now) is None
    # What another tool goes on renewing must not become ours, or its files were not taken any more.
    is_ours = each.origin == Origin.LETS_ENCRYPT and (followed is None or (select and may_be_used))
    origin = Origin.LETS_ENCRYPT if is_ours else Origin.IMPORTED
    try:
        certificate, notes = adding.add_imported(row, each.imported, now, by, origin=origin)
    except ProblemError as error:
        raise ProblemError(certbot.about(each.lineage.name, error.problem)) from None
    if is_ours:
        _go_on_renewing(certificate)
    if (
        may_be_used
        and (row.selected_certificate_id is None or select)
        and _is_newest(certificate, row)
    ):
        if is_ours and followed is not None and following.stop(row, now, by):
            notes = [*notes, certbot.no_longer_followed(row.slug, followed.certificate_path)]
        deploying.select(certificate, row, now, by)
        if certificate.origin == Origin.LETS_ENCRYPT:
            # Soon, but not before somebody has had the time to look after the challenge port.
            plans.rehearse_after_failure(row, now)
    row = Gateway.objects.select_related("selected_certificate").get(pk=row.pk)
    why_not = _why_not_renewed(each, row, select=select)
    return TakenLineage(
        name=each.lineage.name,
        gateway=row,
        is_new_gateway=is_new,
        certificate=certificate,
        is_in_use=row.selected_certificate_id == certificate.pk,
        is_renewed=why_not is None,
        notes=(*notes, *([why_not] if why_not is not None else [])),
    )


def _why_not_renewed(each: _Read, row: Gateway, *, select: bool) -> Problem | None:
    """Why this console does not renew what the lineage is for, as the gateway is now."""
    if each.wildcards and each.is_from_our_ca:
        return certbot.wildcard_not_renewed(each.lineage.name, each.wildcards)
    followed = FollowedFiles.objects.filter(gateway=row).first()
    return certbot.why_not_renewed(
        certbot.Taken(
            gateway=row.slug,
            missing=tuple(
                name for name in each.imported.chain.names if not covers(tuple(row.names), name)
            ),
            is_ours=each.origin == Origin.LETS_ENCRYPT,
            uses_lets_encrypt=row.uses_lets_encrypt,
            is_renewed=plans.is_renewed(row, row.selected_certificate),
            follows=followed.certificate_path if followed is not None else "",
            was_asked=select,
        )
    )


def _go_on_renewing(certificate: Certificate) -> None:
    """Have it renewed by itself, also where its files had been imported one by one before."""
    if certificate.origin == Origin.IMPORTED:
        certificate.origin = Origin.LETS_ENCRYPT
        certificate.save(update_fields=["origin"])
    if certificate.origin == Origin.LETS_ENCRYPT:
        plans.schedule(certificate)


def _is_newest(certificate: Certificate, row: Gateway) -> bool:
    """Whether it is the one that automatic renewal goes on from; of others it does not matter."""
    newest = deploying.newest_issued(row)
    return certificate.origin != Origin.LETS_ENCRYPT or newest == certificate
