"""However much there is, a page asks the database at most twelve times."""

from __future__ import annotations

import datetime

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates import clock, heartbeats
from certificates.models import (
    Certificate,
    Component,
    Event,
    Gateway,
    Issuance,
    Preflight,
    Trigger,
)
from certificates.policy.issuance import Course, State
from challenges.models import ChallengeListener, NetworkSettings
from tests.certificates.views.test_gateway_page import PROBLEM
from tests.console import HTMX, make_certificate, make_gateway, make_issuance

MOST_QUERIES = 12
GATEWAYS = 300
EVENTS = 5_000
LONGEST_PAGE = 250_000  # bytes before compression


@pytest.fixture
def much(db: None) -> Gateway:
    """Three hundred gateways, every third in trouble, with certificates, issuances and events."""
    now = timezone.now()
    NetworkSettings.objects.create(pk=1)
    heartbeats.beat(Component.WORKER, now)
    clock.note(now)
    ChallengeListener.objects.create(
        host="here", pid=1, port=8080, wanted_port=8080, started_at=now, seen_at=now
    )
    first = make_gateway("g0", "host0.example.com")
    certificate = make_certificate(first)
    Gateway.objects.bulk_create(
        Gateway(slug=f"g{number}", hostname=f"host{number}.example.com", terms_agreed_at=now)
        for number in range(1, GATEWAYS)
    )
    gateways = list(Gateway.objects.all())
    fields = {
        field.name: getattr(certificate, field.name)
        for field in Certificate._meta.fields
        if field.name not in {"id", "gateway", "sha256"}
    }
    Certificate.objects.bulk_create(
        Certificate(gateway=gateway, sha256=f"{gateway.pk:064x}", **fields) for gateway in gateways
    )
    Issuance.objects.bulk_create(
        Issuance(
            gateway=gateway,
            state=State.FAILED if gateway.pk % 3 == 0 else State.DONE,
            problem_facts=PROBLEM.to_json() if gateway.pk % 3 == 0 else None,
            trigger=Trigger.REHEARSAL if age == 1 else Trigger.RENEWAL,
            course=Course.REHEARSAL if age == 1 else Course.TESTED,
            names=gateway.names,
            key_type=gateway.key_type,
            started_at=now - datetime.timedelta(days=age),
            finished_at=now - datetime.timedelta(days=age),
        )
        for gateway in gateways
        for age in range(3)
    )
    for certificate in Certificate.objects.filter(gateway__pk__gt=first.pk):
        Gateway.objects.filter(pk=certificate.gateway_id).update(selected_certificate=certificate)
    Preflight.objects.bulk_create(
        Preflight(
            gateway=gateway,
            names=gateway.names,
            findings=[PROBLEM.to_json()],
            started_at=now - datetime.timedelta(days=age),
            finished_at=now,
        )
        for gateway in Gateway.objects.filter(slug__startswith="g7")
        for age in range(20)
    )
    Event.objects.bulk_create(
        Event(at=now, gateway=gateways[number % GATEWAYS], code="test", message=f"Line {number}.")
        for number in range(EVENTS)
    )
    return first


ADDRESSES = (
    "/",
    "/?page=3",
    "/gateways/",
    "/gateways/?page=2",
    "/gateways/?q=host1",
    "/gateways/g7/",
    "/gateways/g7/settings/",
    "/gateways/add/",
    "/settings/network/",
    "/certificates/",
    "/certificates/?page=4",
    "/certificates/import/",
    "/log/",
    "/log/?gateway=g7",
    "/log/?level=info",
    "/warnings/",
    "/users/",
)


@pytest.mark.usefixtures("much")
def test_no_page_asks_more_than_twelve_times_or_is_long(administrator: Client) -> None:
    certificate, issuance = Certificate.objects.first(), Issuance.objects.first()
    assert certificate is not None
    assert issuance is not None
    own = (
        f"/certificates/{certificate.pk}/",
        f"/certificates/{certificate.pk}/use/",
        f"/issuances/{issuance.pk}/",
    )
    queries, sizes = {}, {}
    for address in (*ADDRESSES, *own):
        cache.delete("warning-count")
        clock.forget()
        with CaptureQueriesContext(connection) as captured:
            page = administrator.get(address)
        assert page.status_code == 200
        queries[address], sizes[address] = len(captured), len(page.content)

    assert {address: count for address, count in queries.items() if count > MOST_QUERIES} == {}
    assert {address: size for address, size in sizes.items() if size > LONGEST_PAGE} == {}


@pytest.mark.usefixtures("much")
def test_the_part_of_an_issuance_that_is_fetched_every_second_asks_little(
    administrator: Client,
) -> None:
    gateway = Gateway.objects.get(slug="g7")
    running = make_issuance(gateway, State.PRODUCTION, problem_facts=PROBLEM.to_json())
    with CaptureQueriesContext(connection) as captured:
        part = administrator.get(f"/issuances/{running.pk}/", headers=HTMX)

    assert part.context["can_cancel"]
    assert len(captured) <= 5


@pytest.mark.usefixtures("much")
def test_the_part_of_a_preflight_that_is_fetched_every_second_asks_little(
    administrator: Client,
) -> None:
    with CaptureQueriesContext(connection) as captured:
        part = administrator.get("/gateways/g7/", headers=HTMX)

    assert part.context["preflight"].problems == [PROBLEM]
    assert len(captured) <= 3


@pytest.mark.usefixtures("much")
def test_all_warnings_are_counted_and_the_worst_hundred_are_shown(
    administrator: Client,
) -> None:
    page = administrator.get("/warnings/")

    assert page.context["problem_count"] > GATEWAYS // 3
    assert len(page.context["problems"]) == 100
