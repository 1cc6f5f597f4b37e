"""Several who want the same thing at the same moment, on the product's own database.

Run in processes of their own, because the tests' database is in memory, where threads meet other
locks than in production. Prints for every race what came of it.
"""

from __future__ import annotations

import functools
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from certificates import (
    accounts,
    adding,
    applying,
    budget,
    deploying,
    directories,
    following,
    importing,
    issuing,
    keys,
    leases,
    pem,
    preflighting,
    renewing,
    requesting,
    store,
    versions,
)
from certificates.models import (
    Certificate,
    Directory,
    Event,
    Gateway,
    Issuance,
    LimitUse,
    Order,
    Preflight,
    Trigger,
)
from certificates.policy.issuance import Environment, State
from certificates.policy.limits import Limit
from challenges import preflight
from challenges.preflight.report import Report
from gateway_admin import claiming, data_directory
from gateway_admin.models import User
from tests.certificates.chains import make_authority, make_chain, make_leaf
from tests.certificates.engine import DAY, HOUR, use
from tests.console import make_gateway, make_issuance

ROUNDS = 10
THREADS = 3
CONTESTANTS = ("worker", "worker", "sweep", "sweep")
CONTEND = (
    "import django; django.setup();from tests.certificates.racing import contend; contend({role!r})"
)
# Far more than a renewal takes, while all processors are busy (seconds).
LONGEST_ROUND = 120


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
        return requesting.request(gateway, trigger=Trigger.MANUAL, now=timezone.now()).pk

    return race(ask)


def request_twins(number: int) -> list[object]:
    """Everybody asks for a certificate for the same names, but each for a gateway of its own."""
    twins = [make_gateway(f"t{number}-{i}", f"t{number}.example.com") for i in range(THREADS)]

    def ask(index: int) -> int:
        return requesting.request(twins[index], trigger=Trigger.MANUAL, now=timezone.now()).pk

    return race(ask)


def last_order(gateway: Gateway) -> list[object]:
    """Everybody wants the last order that the budget has."""
    url, now = directories.url_of(Environment.PRODUCTION), timezone.now()
    Directory.objects.get_or_create(url=url)
    order = Order.objects.create(
        issuance=make_issuance(gateway, State.FAILED),
        environment=Environment.PRODUCTION.value,
        account=accounts.account_at(url, gateway),
    )
    left = budget.orders_left(Environment.PRODUCTION, now) - 1
    LimitUse.objects.bulk_create(
        LimitUse(directory_url=url, limit=Limit.NEW_ORDERS.value, at=now) for _ in range(left)
    )
    try:
        return race(lambda _: budget.spend_order(order, gateway.names, now))
    finally:
        LimitUse.objects.all().delete()


def slot() -> list[object]:
    """Everybody wants to order in the same second after the CA's return."""
    now = timezone.now()
    row, _ = Directory.objects.update_or_create(
        url="https://ca.example/directory",
        defaults={"returned_at": now - HOUR, "next_order_at": None},
    )
    return race(lambda _: directories.order_slot(row, now) is None)


def finalize_or_cancel(number: int) -> list[object]:
    """One hands the certificate request over, the others cancel: never both."""
    gateway = make_gateway(f"c{number}", f"c{number}.example.com")
    issuance = make_issuance(gateway, State.PRODUCTION)
    url = directories.url_of(Environment.PRODUCTION)
    Order.objects.create(
        issuance=issuance,
        environment=Environment.PRODUCTION.value,
        account=accounts.account_at(url, gateway),
    )
    held = leases.claim(issuance.pk, timezone.now())
    assert held is not None

    def compete(index: int) -> str:
        if index:
            requesting.cancel(issuance, timezone.now())
            return "cancelled"
        with transaction.atomic():
            held.update(lease_expires_at=held.expires_at)
            Order.objects.filter(issuance=issuance).update(is_handed_over=True)
        return "handed over"

    return race(compete)


def begin_preflight(gateway: Gateway) -> list[object]:
    """Everybody presses the button of the same gateway's preflight."""
    return race(lambda _: preflighting.begin(gateway, timezone.now()).pk)


def carry_preflight_out(gateway: Gateway) -> list[object]:
    """Everybody takes the same preflight, whose checks find nothing."""
    preflight.run = lambda *_, **__: Report()
    row = preflighting.begin(gateway, timezone.now())
    done = race(lambda _: preflighting.carry_out(row.pk))
    return [*done, Preflight.objects.filter(gateway=gateway, finished_at__isnull=False).count()]


def replace(gateway: Gateway) -> list[object]:
    """Everybody brings in a new version of the certificate in use; what is in use in the end."""
    before = adding.add_imported(gateway, _brought(gateway), timezone.now())[0]
    deploying.select(before, gateway, timezone.now())
    new = [_brought(gateway) for _ in range(THREADS)]

    def bring(index: int) -> int:
        now = timezone.now()
        return adding.add_imported(gateway, new[index], now, replaces=before)[0].pk

    done = race(bring)
    gateway.refresh_from_db()
    selected = gateway.selected_certificate
    assert selected is not None
    assert store.is_live(gateway, selected)
    return [*done, selected.pk, gateway.certificates.count()]


def answer(number: int) -> list[object]:
    """Everybody brings in an answer to the same request, and one discards it."""
    gateway = make_gateway(f"a{number}", f"a{number}.example.com")
    subject = applying.Subject()
    request = applying.create(gateway, (), gateway.key_type, subject, timezone.now())
    key = keys.load_der(applying.kept_key(gateway, request.spki_sha256))
    issuer = make_authority()
    answers = [make_leaf(*gateway.names, above=issuer, key=key) for _ in range(THREADS)]

    def bring(index: int) -> str:
        if index == 0:
            applying.discard(request, timezone.now())
            return "discarded"
        applying.answer(request, [answers[index].chain_pem], timezone.now())
        return "answered"

    done = race(bring)
    stored = list(gateway.certificates.all())
    assert all(store.why_keyless(each, _facts(each)) is None for each in stored)
    # Whatever came before the request was discarded is a certificate with a key.
    assert len({*versions.of(stored[0])} if stored else ()) == len(stored)
    return [*done, len(stored)]


def follow(gateway: Gateway) -> list[object]:
    """One looks at files that have changed, one stops following them, one begins anew."""
    folder = settings.CONFIGURATION.certificate_directories[0]
    folder.mkdir(exist_ok=True)
    file = folder / f"{gateway.slug}.pem"
    authority = make_authority()
    leaves = [make_leaf(*gateway.names, above=authority) for _ in range(2)]
    new, old = (leaf.chain_pem + leaf.key_pem() for leaf in leaves)
    for content in (new, old):
        # Read beforehand, so that all come to the rows at the same moment.
        file.write_bytes(content)
        following.follow(gateway, str(file), "", timezone.now())
    file.write_bytes(new)

    def act(index: int) -> str:
        now = timezone.now()
        if index == 0:
            following.look(now)
            return "looked"
        if index == 1:
            following.stop(gateway, now)
            return "stopped"
        following.follow(gateway, str(file), "", now)
        return "followed"

    done = race(act)
    gateway.refresh_from_db()
    selected = gateway.selected_certificate
    assert selected is not None
    assert store.is_live(gateway, selected)
    return done


def _facts(certificate: Certificate) -> pem.ChainFacts:
    return pem.facts(pem.split(certificate.chain_pem.encode()))


def _brought(gateway: Gateway) -> importing.ImportedCertificate:
    leaf = make_chain(*gateway.names)
    return importing.ImportedCertificate(pem.facts(leaf.chain), leaf.key_der)


def claim() -> list[object]:
    """Everybody claims the console with the right token."""
    User.objects.all().delete()
    claiming.ensure_setup_token()
    return [*race(lambda number: claiming.claim(f"user{number}", "password").username), counted()]


def counted() -> int:
    """How many administrators there are."""
    return User.objects.count()


def _remembered(
    read: Callable[..., importing.ImportedCertificate],
) -> Callable[..., importing.ImportedCertificate]:
    """Reads the same files once: without the child's time nobody comes late to the rows."""
    once = functools.cache(read)
    return lambda files, **options: (
        read(files, **options) if "known_keys" in options else once(tuple(files))
    )


def main() -> None:
    """Run every race of threads a few times and print what came of them."""
    data_directory.prepare(settings.CONFIGURATION)
    # A slow hash would let the claimants arrive one after the other.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    importing.read = _remembered(importing.read)
    results: dict[str, list[list[object]]] = {}

    def note(name: str, result: list[object]) -> None:
        results.setdefault(name, []).append(result)

    for number in range(ROUNDS):
        gateway = make_gateway(f"g{number}", f"g{number}.example.com")
        note("request", request(gateway))
        Issuance.objects.filter(gateway=gateway).delete()
        note("lease", lease(make_issuance(gateway, State.WAITING)))
        note("claim", claim())
        note("begin_preflight", begin_preflight(gateway))
        note("carry_preflight_out", carry_preflight_out(gateway))
        note("request_twins", request_twins(number))
        note("last_order", last_order(gateway))
        note("slot", slot())
        note("finalize_or_cancel", finalize_or_cancel(number))
        note("replace", replace(gateway))
        note("answer", answer(number))
        note("follow", follow(gateway))
    json.dump(results, sys.stdout)


def contest(rounds: int) -> None:
    """Two workers and two sweeps, each a process, renew one gateway after the other.

    Prints a JSON line for each round: what is stored of it, and what anybody met.
    """
    logging.disable()  # its lines would come between
    data_directory.prepare(settings.CONFIGURATION)
    contestants = [
        subprocess.Popen(
            [sys.executable, "-c", CONTEND.format(role=role)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for role in CONTESTANTS
    ]
    for number in range(rounds):
        gateway = make_gateway(f"g{number}", f"mail.g{number}.test")
        before = use(gateway, age=70 * DAY)
        errors = _round(contestants, gateway.slug)
        _say(_stored(gateway, before) | {"errors": errors})
    for process in contestants:
        process.communicate(timeout=60)


def contend(role: str) -> None:
    """Take part in the renewal of each gateway whose slug is read; print what was raised."""
    logging.disable()  # its lines would come between
    for line in sys.stdin:
        errors: list[str] = []
        act = {"worker": _work, "sweep": _sweep}[role]
        deadline = time.monotonic() + LONGEST_ROUND
        while not _has_ended(line.strip()) and time.monotonic() < deadline:
            _noting(errors, act)
        # Messages that were sent twice, or arrive when all is over.
        for pk in Issuance.objects.filter(gateway__slug=line.strip()).values_list("pk", flat=True):
            _noting(errors, functools.partial(issuing.advance, pk))
        _noting(errors, act)
        _say(errors)


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def _round(contestants: list[subprocess.Popen[str]], slug: str) -> list[str]:
    for process in contestants:
        assert process.stdin is not None
        process.stdin.write(f"{slug}\n")
    errors: list[str] = []
    for process in contestants:
        assert process.stdout is not None
        errors += json.loads(process.stdout.readline())
    return errors


def _stored(gateway: Gateway, before: Certificate) -> dict[str, Any]:
    issuances = Issuance.objects.filter(gateway=gateway)
    gateway.refresh_from_db()
    return {
        "states": list(issuances.values_list("state", flat=True)),
        "orders": list(Order.objects.filter(issuance__in=issuances).values_list("status")),
        "new_certificates": gateway.certificates.exclude(pk=before.pk).count(),
        "is_renewed": gateway.selected_certificate_id != before.pk,
        "counted": LimitUse.objects.filter(
            order__issuance__in=issuances, limit=Limit.NEW_ORDERS.value
        ).count(),
        "events": list(Event.objects.filter(gateway=gateway).values_list("code", flat=True)),
    }


def _has_ended(slug: str) -> bool:
    return Issuance.objects.filter(gateway__slug=slug, finished_at__isnull=False).exists()


def _work() -> None:
    for pk in leases.due(timezone.now()).values_list("pk", flat=True):
        issuing.advance(pk)


def _sweep() -> None:
    renewing.request_due(timezone.now())
    # A message for each, as if it had been sent twice: it may not be due, or be worked on.
    for pk in Issuance.objects.filter(finished_at__isnull=True).values_list("pk", flat=True):
        issuing.advance(pk)


def _noting(errors: list[str], act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
    time.sleep(0.005)
