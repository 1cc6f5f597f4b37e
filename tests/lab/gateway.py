"""The product inside the lab: its preflight and its tokens, on demand.

Runs on the gateway's machine as `python -m tests.lab.gateway SOCKET`, with its environment.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.settings"

import django

django.setup()

from django.conf import settings
from django.test import override_settings

from certificates import surroundings
from certificates.models import Account
from challenges.models import ChallengeListener, NetworkSettings
from gateway_admin.data_directory import prepare
from gateway_admin.management import documents
from tests.lab import orders
from tests.lab.remote import serve


def preflight(names: list[str], dns_servers: list[str]) -> dict[str, Any]:
    """Run the preflight as the product does; other public DNS servers may be configured for it."""
    servers = tuple(dns_servers) or settings.CONFIGURATION.dns_servers
    configuration = dataclasses.replace(settings.CONFIGURATION, dns_servers=servers)
    with override_settings(CONFIGURATION=configuration):
        started = time.monotonic()
        report = surroundings.report(names)
        seconds = time.monotonic() - started
    orders.keep(report)
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


def listener() -> dict[str, Any]:
    """What the challenge process says of itself."""
    row = ChallengeListener.newest()
    return {"port": row.port, "error": row.error, "pid": row.pid} if row else {}


def forget_listener() -> None:
    """As if the challenge process had been silent for long."""
    ChallengeListener.objects.all().delete()


def remember_accounts(url: str, staging_url: str) -> None:
    """As if the CA had made accounts for this console; none without an address."""
    wanted = {
        settings.CONFIGURATION.acme_production_url: url,
        settings.CONFIGURATION.acme_staging_url: staging_url,
    }
    Account.objects.filter(directory_url__in=wanted).delete()
    Account.objects.bulk_create(
        Account(directory_url=directory_url, url=account)
        for directory_url, account in wanted.items()
        if account
    )


def use_proxy(url: str) -> None:
    """As if the program had been started with this proxy in its environment; none without one."""
    os.environ.pop("HTTPS_PROXY", None)
    if url:
        os.environ["HTTPS_PROXY"] = url


FUNCTIONS = (
    *(preflight, configure, listener, forget_listener, remember_accounts, use_proxy),
    *(orders.place, orders.end),
)


def main(path: str) -> None:
    """Prepare the data directory and serve until killed."""
    prepare(settings.CONFIGURATION)
    serve(Path(path), {function.__name__: function for function in FUNCTIONS})


if __name__ == "__main__":
    main(sys.argv[1])
