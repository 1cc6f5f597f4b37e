"""Gateways whose certificates are due, for bench/issuing.py; run with a product's environment.

`python -m bench.renewals prepare N` makes them, `done` prints how many have been renewed and in
how many seconds, by the rows' own times.
"""

from __future__ import annotations

import datetime
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from certificates import keys, pem, plans, store
from certificates.models import Gateway, Issuance, Origin, Trigger
from gateway_admin import data_directory

AGE = datetime.timedelta(days=61)
LIFETIME = datetime.timedelta(days=90)


def prepare(count: int) -> None:
    """So many gateways, each with a certificate that looks 61 days old."""
    data_directory.prepare(settings.CONFIGURATION)
    now = timezone.now()
    with transaction.atomic():
        for number in range(count):
            name = f"g{number:05d}.example.test"
            gateway = Gateway.objects.create(
                slug=f"g{number:05d}", hostname=name, terms_agreed_at=now, rehearses=False
            )
            key, chain = _certificate(name, now - AGE)
            certificate = store.add(gateway, chain, keys.to_der(key), Origin.LETS_ENCRYPT)
            Gateway.objects.filter(pk=gateway.pk).update(selected_certificate=certificate)
            plans.schedule(certificate)


def done() -> None:
    """How many renewals have ended well, and how long all of them took."""
    renewals = Issuance.objects.filter(trigger=Trigger.RENEWAL)
    span = renewals.aggregate(first=Min("started_at"), last=Max("finished_at"))
    ended = renewals.filter(state="done").count()
    failed = renewals.filter(state="failed").count()
    seconds = (span["last"] - span["first"]).total_seconds() if span["last"] else 0
    print(ended, failed, seconds)


def _certificate(
    name: str, begin: datetime.datetime
) -> tuple[ec.EllipticCurvePrivateKey, pem.ChainFacts]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return key, pem.facts([builder.sign(key, hashes.SHA256())])


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        done()
