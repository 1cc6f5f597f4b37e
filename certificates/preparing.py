"""Prepares an ACME order: its key and CSR, committed before the CA hears of them.

A lost key is a lost certificate, so nothing is asked of a CA for a key that is not stored.
A key that is kept over renewals may have become known to others: nobody can tell that here.
"""

from __future__ import annotations

from cryptography import x509

from certificates import accounts, directories, events, keys, milestones, pem, sealing, store
from certificates.models import (
    Account,
    Certificate,
    Directory,
    Issuance,
    Level,
    Order,
    OrderStatus,
    Origin,
)
from certificates.policy.issuance import Environment
from certificates.policy.keys import KeyType
from challenges.problems import ProblemError


def prepare(issuance: Issuance, environment: Environment) -> Order:
    """Store a new order with its sealed key, a new one unless the gateway keeps its key; the CA
    knows nothing of it yet."""
    account = accounts.account_at(directories.url_of(environment), issuance.gateway)
    milestones.reached(f"{environment}:account-prepared")
    directory = Directory.objects.filter(url=account.directory_url).first()
    key = _kept_key(issuance, environment) or keys.generate(KeyType(issuance.key_type))
    csr = keys.make_csr(key, issuance.names)
    order = Order.objects.create(
        issuance=issuance,
        environment=environment.value,
        account=account,
        sealed_key=store.seal_key(keys.to_der(key), key.public_key()),
        csr_pem=pem.csr_to_pem(csr),
        profile=issuance.profile,
        replaces=_replaces(issuance, environment, account, directory),
    )
    milestones.reached(f"{environment}:order-prepared")
    return order


def csr_of(order: Order) -> x509.CertificateSigningRequest:
    """The order's certificate request."""
    return x509.load_pem_x509_csr(order.csr_pem.encode())


def key_of(order: Order) -> bytes:
    """The private key of the order's certificate, PKCS#8 DER. Raises ProblemError."""
    return sealing.unseal(order.sealed_key, keys.sealing_purpose(csr_of(order).public_key()))


def _kept_key(issuance: Issuance, environment: Environment) -> keys.PrivateKey | None:
    """The key of the newest certificate from Let's Encrypt, where the gateway keeps it.

    Never for the staging CA, which has no need of it.
    """
    gateway = issuance.gateway
    if environment is not Environment.PRODUCTION or not gateway.keeps_key:
        return None
    issued = Certificate.objects.filter(gateway=gateway, origin=Origin.LETS_ENCRYPT)
    newest = issued.order_by("-not_before", "-pk").first()
    if newest is None:
        return None
    if newest.key_type != issuance.key_type:
        _say_not_kept(issuance, "another key type has been chosen.")
        return None
    try:
        return keys.load_der(store.private_key(newest))
    except (ProblemError, ValueError) as error:
        _say_not_kept(issuance, f"it cannot be used any more. {error}")
        return None


def _say_not_kept(issuance: Issuance, why: str) -> None:
    """Whoever publishes TLSA records has to hear of a new key before it is in use."""
    events.record(
        "key-not-kept",
        "The private key is not kept at this renewal, although the settings say so, because "
        f"{why} The new certificate has a new key; TLSA records in the DNS have to be changed.",
        level=Level.WARNING,
        gateway=issuance.gateway,
        issuance=issuance,
    )


def _replaces(
    issuance: Issuance, environment: Environment, account: Account, directory: Directory | None
) -> str:
    """The certificate in use, by its RFC 9773 identifier, where this order is its renewal (§5).

    Only to the CA and with the account that it came from, only while nothing replaces it yet, and
    only if the two have a name in common.
    """
    in_use = issuance.gateway.selected_certificate
    if (
        environment is not Environment.PRODUCTION
        or directory is None
        or not directory.has_renewal_information
        or in_use is None
        or in_use.origin != Origin.LETS_ENCRYPT
        or not set(in_use.names) & set(issuance.names)
        or not _was_ordered_with(account, in_use)
    ):
        return ""
    identifier = store.renewal_id(in_use)
    is_replaced = Order.objects.filter(replaces=identifier, status=OrderStatus.VALID).exists()
    return "" if is_replaced else identifier


def _was_ordered_with(account: Account, certificate: Certificate) -> bool:
    return Order.objects.filter(
        issuance=certificate.issuance_id,
        account=account,
        environment=Environment.PRODUCTION.value,
        status=OrderStatus.VALID,
    ).exists()
