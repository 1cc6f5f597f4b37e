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
    paginator: Paginator[Any] = Paginator(found, size)
    page = paginator.get_page(number)
    return Page(rows(page.object_list, now), page.number, paginator)


def page_query(**parameters: str) -> str:
    """The other parameters of a paged list, ready to stand before ``page=``."""
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"{given}&" if given else ""
