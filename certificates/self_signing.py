"""Certificates that sign themselves: for tests, and until there is one that others trust."""

from __future__ import annotations

import datetime

from cryptography import x509
from django.db import transaction

from certificates import events, keys, pem, self_signed, store
from certificates.models import Certificate, Gateway, Origin
from certificates.policy import selecting
from certificates.policy.keys import KeyType
from challenges.problems import Problem, Severity

# In place of a hostname that is too long for a common name: an issuer must have some name.
_NAMELESS = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Self-signed")]


def create(gateway: Gateway, now: datetime.datetime, by: str = "") -> Certificate:
    """Make and store a certificate for all names of the gateway, with a new key of its key type.

    It is not put to use. Raises ProblemError when the key cannot be sealed.
    """
    key = keys.generate(KeyType(gateway.key_type))
    subject = keys.common_name(gateway.names) or _NAMELESS
    names = [x509.DNSName(name) for name in gateway.names]
    chain = [self_signed.make(key, subject, names, now)]
    with transaction.atomic():
        certificate = store.add(gateway, pem.facts(chain), keys.to_der(key), Origin.SELF_SIGNED)
        events.record(
            "certificate-self-signed",
            f"A self-signed certificate for {selecting.listed(gateway.names)} was created"
            f"{f' by {by}' if by else ''}. Other computers do not trust it.",
            gateway=gateway,
            detail=f"Serial: {certificate.serial}",
            at=now,
        )
    return certificate


def not_trusted() -> Problem:
    """What everybody who makes or uses one is told."""
    return Problem(
        code="certificate-self-signed",
        severity=Severity.WARNING,
        explanation=(
            "This certificate is self-signed, so other computers do not trust it: mail programs "
            "warn of it, and mail servers that check certificates refuse it."
        ),
        remedy=(
            "Use it for tests, or until you have a certificate from Let's Encrypt or another CA.",
            "Where it has to be trusted, install it as trusted on each of those computers.",
        ),
    )
