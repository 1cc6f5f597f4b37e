"""Pages of numbered lists whose rows are made of what the database holds."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet

_Model = TypeVar("_Model", bound=Model)
_Row = TypeVar("_Row")


def page_of(
    found: QuerySet[_Model],
    number: str | None,
    size: int,
    rows: Callable[[Iterable[_Model], datetime.datetime], list[_Row]],
    now: datetime.datetime,
) -> Page[_Row]:
    """The page of that number, the nearest there is for any other, with its rows. Two queries
    and those of ``rows``."""
    page = cut(found, number, size)
    return with_rows(page, rows(page.object_list, now))


def cut(found: QuerySet[_Model], number: str | None, size: int) -> Page[_Model]:
    """The page of that number, the nearest there is for any other, fetched. Two queries."""
    page: Page[_Model] = Paginator(found, size).get_page(number)
    # By their ids, or the database would join to each row of the pages before only to skip it.
    ids = found[page.start_index() - 1 : page.end_index()].values("pk") if page.end_index() else []
    return Page(list(found.filter(pk__in=ids)), page.number, page.paginator)


def with_rows(page: Page[Any], rows: list[_Row]) -> Page[_Row]:
    """The same page with what is drawn in the place of what was fetched."""
    return Page(rows, page.number, page.paginator)


def page_query(**parameters: str) -> str:
    """The other parameters of a paged list, ready to stand before ``page=``."""
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"{given}&" if given else ""
