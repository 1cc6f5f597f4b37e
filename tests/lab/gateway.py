"""The product inside the lab: its preflight and its tokens, on demand.

Runs on the gateway's machine as `python -m tests.lab.gateway SOCKET`, with its environment.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.settings"

import django

django.setup()

from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from certificates import surroundings
from certificates.models import Account
from challenges import tokens
from challenges.models import ChallengeListener, NetworkSettings
from gateway_admin.data_directory import prepare
from gateway_admin.management import documents
from tests.lab.remote import serve

LIFETIME = datetime.timedelta(minutes=5)


def preflight(names: list[str], dns_servers: list[str]) -> dict[str, Any]:
    """Run the preflight as the product does; other public DNS servers may be configured for it."""
    servers = tuple(dns_servers) or settings.CONFIGURATION.dns_servers
    configuration = dataclasses.replace(settings.CONFIGURATION, dns_servers=servers)
    with override_settings(CONFIGURATION=configuration):
        started = time.monotonic()
        report = surroundings.report(names)
        seconds = time.monotonic() - started
    return {
        "findings": documents.problems(report.findings),
        "established": [[fact.fact.value, fact.sentence] for fact in report.established],
        "seconds": seconds,
    }


def configure(scenario: str, challenge_port: int) -> None:
    """Store the network settings, as their form does."""
    NetworkSettings.objects.update_or_create(
        pk=1, defaults={"scenario": scenario, "challenge_port": challenge_port}
    )


def publish(authorizations: Mapping[str, str]) -> None:
    """Have the challenge port answer these tokens."""
    for token, authorization in authorizations.items():
        tokens.publish(token, authorization, now=timezone.now(), lifetime=LIFETIME)


def withdraw(authorizations: Mapping[str, str]) -> None:
    """Have it forget them."""
    for token in authorizations:
        tokens.withdraw(token)


def listener() -> dict[str, Any]:
    """What the challenge process says of itself."""
    row = ChallengeListener.objects.order_by("-seen_at").first()
    return {"port": row.port, "error": row.error, "pid": row.pid} if row else {}


def forget_listener() -> None:
    """As if the challenge process had been silent for long."""
    ChallengeListener.objects.all().delete()


def remember_account(url: str) -> None:
    """As if the CA had made an account for this console; none without an address."""
    Account.objects.all().delete()
    if url:
        Account.objects.create(directory_url=settings.CONFIGURATION.acme_production_url, url=url)


FUNCTIONS = (preflight, configure, publish, withdraw, listener, forget_listener, remember_account)


def main(path: str) -> None:
    """Prepare the data directory and serve until killed."""
    prepare(settings.CONFIGURATION)
    serve(Path(path), {function.__name__: function for function in FUNCTIONS})


if __name__ == "__main__":
    main(sys.argv[1])
