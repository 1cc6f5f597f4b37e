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

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from certificates import plans
from certificates.models import Gateway, Issuance, Trigger
from gateway_admin import data_directory
from tests.certificates.chains import make_authority, make_leaf, store_leaf

AGE = datetime.timedelta(days=61)
LIFETIME = datetime.timedelta(days=90)


def prepare(count: int) -> None:
    """So many gateways, each with a certificate that looks 61 days old."""
    data_directory.prepare(settings.CONFIGURATION)
    now = timezone.now()
    issuer = make_authority("Bench Issuer", make_authority())
    with transaction.atomic():
        for number in range(count):
            name = f"g{number:05d}.example.test"
            gateway = Gateway.objects.create(
                slug=f"g{number:05d}", hostname=name, terms_agreed_at=now, rehearses=False
            )
            leaf = make_leaf(name, above=issuer, begin=now - AGE, lifetime=LIFETIME)
            certificate = store_leaf(gateway, leaf)
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


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        done()
