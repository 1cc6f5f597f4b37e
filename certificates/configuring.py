"""Stores what somebody wants configured, with its event, in one transaction."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from certificates import backoffs, deploying, events, plans
from certificates.checking import Accepted, ConfigurationRejected, Wishes, check
from certificates.models import CertificateSource, Gateway
from certificates.policy.names import identifier_set
from challenges.models import NetworkSettings
from challenges.problems import ProblemError

__all__ = [
    "Accepted",
    "ConfigurationRejected",
    "Configured",
    "Wishes",
    "check",
    "configure",
    "store",
    "what_follows",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Configured:
    """What was stored; ``changed`` names the fields.

    ``gateway`` is None where there is none of that name and only the network was concerned.
    ``returned`` is what followed from a return to Let's Encrypt, None where there was none: the
    caller has an issuance that was begun advanced, and tells :func:`what_follows`.
    """

    gateway: Gateway | None
    network: NetworkSettings
    is_new: bool
    changed: tuple[str, ...]
    returned: deploying.Returned | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    field: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.before)} → {_shown(self.after)}"


def configure(slug: str, wishes: Wishes, *, now: datetime.datetime, by: str = "") -> Configured:
    """Check the wishes and store them; ``by`` names the person for the log.

    An unknown ``slug`` makes a new gateway. Raises ConfigurationRejected, with nothing changed.
    """
    return store(check(slug, wishes, now=now), now=now, by=by)


def store(accepted: Accepted, *, now: datetime.datetime, by: str = "") -> Configured:
    """Write what :func:`check` accepted, touching only the columns that change.

    Raises ConfigurationRejected, with nothing changed, when the return to Let's Encrypt fails
    because its certificate's files cannot be written.
    """
    try:
        with transaction.atomic():
            return _store(accepted, now, by)
    except ProblemError as error:
        raise ConfigurationRejected({"certificate_source": error.problem}) from error


def _store(accepted: Accepted, now: datetime.datetime, by: str) -> Configured:
    network, network_changes = _store_network(accepted.network_values, now)
    gateway = Gateway.objects.select_for_update().filter(slug=accepted.slug).first()
    names_before = gateway.names if gateway else []
    is_new = gateway is None and accepted.concern_a_gateway
    gateway_changes: list[_Change] = []
    if is_new:
        gateway = Gateway(slug=accepted.slug)
        _assign(gateway, accepted.gateway_values)
        gateway.save(force_insert=True)
    elif gateway is not None:
        gateway_changes = _update(gateway, accepted.gateway_values)
    changes = gateway_changes + network_changes
    if is_new or changes:
        _record(gateway, is_new, changes, now, by)
    if network_changes:
        backoffs.forgive_all(now)
    if gateway is not None and (is_new or gateway_changes):
        _let_try_again(gateway, names_before, now)
    returned = None
    if gateway is not None and _returns_to_lets_encrypt(gateway_changes):
        returned = deploying.return_to_lets_encrypt(gateway, now, by)
        gateway.refresh_from_db()
    return Configured(gateway, network, is_new, _names(changes), returned)


def what_follows(gateway: Gateway, returned: deploying.Returned) -> str:
    """What the return to Let's Encrypt means for the gateway as it is now, in a sentence.

    Why something is held back is not in it: that is a Problem of its own.
    """
    certificate = gateway.selected_certificate
    has_begun, is_held_back = returned.issuance is not None, returned.held_back is not None
    if plans.is_renewed(gateway, certificate):
        if is_held_back:
            return _(
                "The newest certificate from Let's Encrypt is in use again. Its renewal, which is "
                "due, could not begin yet; it begins by itself as soon as that is possible."
            )
        if has_begun:
            return _(
                "The newest certificate from Let's Encrypt is in use again, and its renewal, which "
                "is due, has begun."
            )
        return _("The certificates come from Let's Encrypt again; automatic renewal is on.")
    if has_begun:
        return (
            _(
                "A certificate from Let's Encrypt has been asked for. The one in use stays until "
                "it takes its place."
            )
            if certificate is not None
            else _("The first certificate from Let's Encrypt has been asked for.")
        )
    if certificate is not None:
        return _(
            "The certificate source is Let's Encrypt, but no certificate could be asked for yet. "
            "The one in use stays, and one from Let's Encrypt is asked for by itself as soon as "
            "that is possible."
        )
    return _(
        "The certificate source is Let's Encrypt, but no certificate could be asked for. Press "
        "Test and obtain certificate on the gateway's page once that has been mended."
    )


def _let_try_again(gateway: Gateway, names_before: list[str], now: datetime.datetime) -> None:
    """After an edit, what was given up or put off is tried at once, under either name."""
    for names_key in {identifier_set(gateway.names), identifier_set(names_before)}:
        backoffs.forgive(names_key, now)
    is_renewed = plans.is_renewed(gateway, gateway.selected_certificate)
    if is_renewed and gateway.rehearses and gateway.next_rehearsal_at is None:
        plans.rehearse_after_success(gateway, now)


def _store_network(
    values: Mapping[str, object], now: datetime.datetime
) -> tuple[NetworkSettings, list[_Change]]:
    stored = NetworkSettings.objects.select_for_update().filter(pk=1).first()
    network = stored or NetworkSettings(pk=1)
    changes = _assign(network, values)
    if changes:
        network.changed_at = now
    if stored is None and values:
        network.save(force_insert=True)
    elif changes:
        network.save(update_fields=[*_names(changes), "changed_at"])
    return network, changes


def _update(gateway: Gateway, values: Mapping[str, object]) -> list[_Change]:
    """Save only what changes: another writer's columns are not ours to write back."""
    changes = _assign(gateway, values)
    if changes:
        gateway.save(update_fields=[*_names(changes), "updated_at"])
    return changes


def _names(changes: list[_Change]) -> tuple[str, ...]:
    return tuple(change.field for change in changes)


def _assign(row: Gateway | NetworkSettings, values: Mapping[str, object]) -> list[_Change]:
    changes = [
        _Change(field, getattr(row, field), value)
        for field, value in values.items()
        if getattr(row, field) != value
    ]
    for change in changes:
        setattr(row, change.field, change.after)
    return changes


def _returns_to_lets_encrypt(changes: list[_Change]) -> bool:
    return any(
        change.field == "certificate_source" and change.after == CertificateSource.LETS_ENCRYPT
        for change in changes
    )


def _record(
    gateway: Gateway | None, is_new: bool, changes: list[_Change], now: datetime.datetime, by: str
) -> None:
    who = _(" by %(name)s") % {"name": by} if by else ""
    if gateway is not None and is_new:
        code = "gateway-added"
        message = _("The gateway %(gateway)s was added%(who)s.")
    elif gateway is not None and any(hasattr(gateway, change.field) for change in changes):
        code = "gateway-changed"
        message = _("The settings of %(gateway)s were changed%(who)s.")
    else:
        code = "network-settings-changed"
        message = _("The network settings were changed%(who)s.")
    events.record(
        code,
        message % {"gateway": gateway, "who": who},
        gateway=gateway if code != "network-settings-changed" else None,
        detail="\n".join(str(change) for change in changes),
        at=now,
    )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "–"
    return "–" if value is None or value == "" else str(value)
