"""This console's ACME accounts: one per directory URL, made when it is first needed."""

from __future__ import annotations

import contextlib

from django.conf import settings

from certificates import authority, sealing
from certificates.models import Account, Gateway


def account_at(directory_url: str, gateway: Gateway) -> Account:
    """The account at that directory; its key is committed before the CA hears of it."""
    key = authority.new_account_key()
    account, _ = Account.objects.get_or_create(
        directory_url=directory_url,
        defaults={
            "sealed_key": sealing.seal(key.der, _purpose(key.thumbprint)),
            "thumbprint": key.thumbprint,
            "contact_email": gateway.contact_email,
            "terms_of_service_url": gateway.terms_of_service_url,
        },
    )
    return account


def conversation(account: Account) -> contextlib.AbstractContextManager[authority.Authority]:
    """A connection to the account's CA. Raises ProblemError when the key cannot be opened."""
    key = authority.AccountKey(sealing.unseal(account.sealed_key, _purpose(account.thumbprint)))
    return authority.connection(
        account.directory_url, key, account.url, settings.CONFIGURATION.acme_ca_bundle
    )


def register(account: Account, ca: authority.Authority) -> None:
    """Register the account's key, or find its account again (RFC 8555 §7.3)."""
    url = ca.register(account.contact_email)
    Account.objects.filter(pk=account.pk).update(url=url)


def forget(account: Account) -> None:
    """The CA does not know the account any more: register the same key anew before the next use."""
    Account.objects.filter(pk=account.pk).update(url="")


def _purpose(thumbprint: str) -> str:
    return f"account-key:{thumbprint}"
