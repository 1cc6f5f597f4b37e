"""Threads that want the same thing at the same moment, on the product's own database.

Run in a process of its own, because the tests' database is in memory, where threads meet other
locks than in production. Prints for every race what its threads got.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import connections
from django.utils import timezone

from certificates import issuing, leases
from certificates.models import Gateway, Issuance, Trigger
from certificates.policy.issuance import State
from gateway_admin import claiming, data_directory
from gateway_admin.models import User
from tests.console import make_gateway, make_issuance

ROUNDS = 10
THREADS = 3


def race(compete: Callable[[int], object]) -> list[object]:
    """What each thread got, or the name of what it raised."""
    barrier = threading.Barrier(THREADS)
    results: list[object] = []

    def run(number: int) -> None:
        try:
            connections["default"].ensure_connection()
            barrier.wait()
            results.append(compete(number))
        except Exception as error:
            results.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def lease(issuance: Issuance) -> list[object]:
    """Everybody claims the same issuance."""
    now = timezone.now()
    return race(lambda _: leases.claim(issuance.pk, now) is not None)


def request(gateway: Gateway) -> list[object]:
    """Everybody asks for a certificate for the same gateway."""

    def ask(_: int) -> int:
        return issuing.request(gateway, trigger=Trigger.MANUAL, now=timezone.now()).pk

    return race(ask)


def claim() -> list[object]:
    """Everybody claims the console with the right token."""
    User.objects.all().delete()
    claiming.ensure_setup_token()
    return [*race(lambda number: claiming.claim(f"user{number}", "password").username), counted()]


def counted() -> int:
    """How many administrators there are."""
    return User.objects.count()


def main() -> None:
    """Run every race a few times and print what came of them."""
    data_directory.prepare(settings.CONFIGURATION)
    # A slow hash would let the claimants arrive one after the other.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    results: dict[str, list[list[object]]] = {"lease": [], "request": [], "claim": []}
    for number in range(ROUNDS):
        gateway = make_gateway(f"g{number}", f"g{number}.example.com")
        results["request"].append(request(gateway))
        Issuance.objects.filter(gateway=gateway).delete()
        results["lease"].append(lease(make_issuance(gateway, State.WAITING)))
        results["claim"].append(claim())
    json.dump(results, sys.stdout)
