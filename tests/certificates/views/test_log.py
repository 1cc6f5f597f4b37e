"""The log: filtered, by pages, whole and as the part that htmx fetches."""

from __future__ import annotations

import datetime
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates.models import Event, Gateway, Level
from certificates.queries import Cut
from tests.console import HTMX, make_gateway

LOG = "/log/"


def write(count: int, gateway: Gateway | None = None, level: Level = Level.INFO) -> None:
    """That many lines, three of them always of the same moment."""
    start = timezone.now()
    Event.objects.bulk_create(
        Event(
            at=start - datetime.timedelta(seconds=number // 3),
            level=level,
            gateway=gateway,
            code="test",
            message=f"Line {number}.",
            detail="<b>detail</b>",
        )
        for number in range(count)
    )


def test_an_empty_log_says_so(administrator: Client) -> None:
    page = administrator.get(LOG)

    assert page.context["events"] == []
    assert page.context["older_url"] == ""
    assert "Nothing has been logged yet" in page.content.decode()


def test_every_line_is_on_exactly_one_page(administrator: Client) -> None:
    write(137)
    seen: list[int] = []
    url = LOG
    sizes = []
    while url:
        page = administrator.get(url)
        sizes.append(len(page.context["events"]))
        seen += [event.pk for event in page.context["events"]]
        url = page.context["older_url"]

    newest_first = list(Event.objects.order_by("-at", "-pk").values_list("pk", flat=True))
    assert seen == newest_first
    assert sizes == [50, 50, 37]


def test_htmx_gets_the_lines_alone_and_the_link_works_without_it(administrator: Client) -> None:
    write(60)
    older = administrator.get(LOG).context["older_url"]
    part = administrator.get(older, headers=HTMX)
    page = administrator.get(older)

    assert part.templates[0].name == "_events.html"
    assert "<html" not in part.content.decode()
    assert len(part.context["events"]) == len(page.context["events"]) == 10
    assert page.context["is_newest"] is False
    assert page.context["newest_url"] == LOG


def test_lines_are_filtered_by_gateway_and_level_on_every_page(
    administrator: Client, gateway: Gateway
) -> None:
    other = make_gateway("other", "other.example.com")
    write(60, gateway, Level.WARNING)
    write(60, gateway, Level.INFO)
    write(60, other, Level.WARNING)
    page = administrator.get(f"{LOG}?gateway=default&level=warning")
    older = administrator.get(page.context["older_url"])

    for answer, count in ((page, 50), (older, 10)):
        assert len(answer.context["events"]) == count
        assert {event.level for event in answer.context["events"]} == {"warning"}
        assert {event.gateway for event in answer.context["events"]} == {gateway}
    assert older.context["newest_url"] == f"{LOG}?gateway=default&level=warning"


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "query", ["gateway=nobody", "level=loud", "gateway=x%00", "gateway=default&level=%F0"]
)
def test_a_filter_that_makes_no_sense_is_answered_at_its_field(
    administrator: Client, query: str
) -> None:
    write(3)
    page = administrator.get(f"{LOG}?{query}")

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert len(page.context["form"].errors) == 1
    assert page.context["events"] == []


@pytest.mark.parametrize(
    "before", ["", "x", "nan-1", "inf-1", "1e400-2", "-1--1", "1-99999999999999999999999"]
)
def test_a_place_that_makes_no_sense_never_breaks_the_page(
    administrator: Client, before: str
) -> None:
    write(3)

    assert administrator.get(LOG, {"before": before}).status_code == HTTPStatus.OK


def test_the_place_of_a_page_survives_its_address() -> None:
    cut = Cut(datetime.datetime(2026, 11, 23, 12, 30, 15, 123456, datetime.UTC), 4711)

    assert Cut.parse(str(cut)) == cut


def test_what_others_said_is_never_markup(administrator: Client) -> None:
    write(1)

    assert "<b>detail</b>" not in administrator.get(LOG).content.decode()


def test_an_operator_reads_the_log(operator: Client) -> None:
    write(1)

    assert "Line 0." in operator.get(LOG).content.decode()
