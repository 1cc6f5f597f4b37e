"""This console's ACME accounts: one per directory URL, made when it is first needed."""

from __future__ import annotations

import contextlib

from django.conf import settings

from certificates import authority, clock, sealing
from certificates.models import Account, Gateway


def account_at(directory_url: str, gateway: Gateway) -> Account:
    """The account at that directory; its key is committed before the CA hears of it.

    Until it is registered it follows the gateway's settings: a contact that the CA has refused
    can be corrected there.
    """
    said = {
        "contact_email": gateway.contact_email,
        "terms_of_service_url": gateway.terms_of_service_url,
    }
    account = Account.objects.filter(directory_url=directory_url).first()
    if account is None:
        account, _ = Account.objects.get_or_create(
            directory_url=directory_url, defaults=_new_key() | said
        )
    elif not account.url:
        Account.objects.filter(pk=account.pk).update(**said)
        account.refresh_from_db()
    return account


def bring_in(
    directory_url: str, key: authority.AccountKey, url: str, contact_email: str = ""
) -> bool:
    """Use another client's account from now on; returns whether that is news.

    Not where this console has an account already, which its orders belong to.
    """
    account = Account.objects.select_for_update().filter(directory_url=directory_url).first()
    if account is not None and (account.url or account.order_set.exists()):
        return False
    Account.objects.update_or_create(
        directory_url=directory_url,
        defaults=_sealed(key) | {"url": url, "contact_email": contact_email},
    )
    return True


def begin_anew(account: Account) -> None:
    """The CA has closed the account for good: another one, with another key, takes its place."""
    Account.objects.filter(pk=account.pk).update(url="", **_new_key())


def connection(account: Account) -> contextlib.AbstractContextManager[authority.Authority]:
    """A connection to the account's CA.

    Raises ProblemError when the key cannot be opened, or the clock cannot be believed.
    """
    clock.require_plausible()
    key = authority.AccountKey(
        sealing.unseal(account.sealed_key, sealing_purpose(account.thumbprint))
    )
    return authority.connection(
        account.directory_url, key, account.url, settings.CONFIGURATION.acme_ca_bundle
    )


def registered(account: Account, url: str) -> None:
    """The CA has registered the account's key, or found its account again (RFC 8555 §7.3)."""
    account.url = url
    Account.objects.filter(pk=account.pk).update(url=url)


def forget(account: Account) -> None:
    """The CA does not know the account any more: register the same key anew before the next use."""
    Account.objects.filter(pk=account.pk).update(url="")


def sealing_purpose(thumbprint: str) -> str:
    """Binds a sealed account key to its account."""
    return f"account-key:{thumbprint}"


def _new_key() -> dict[str, str]:
    return _sealed(authority.new_account_key())


def _sealed(key: authority.AccountKey) -> dict[str, str]:
    return {
        "sealed_key": sealing.seal(key.der, sealing_purpose(key.thumbprint)),
        "thumbprint": key.thumbprint,
    }
