"""How much evidence is kept of whom, whoever floods the port."""

from __future__ import annotations

from datetime import UTC, datetime

from challenges import visits
from challenges.visits import Book, Quota, visit

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_a_token_is_counted_up_to_its_bound_and_the_next_one_from_the_start() -> None:
    quota = Quota()
    kept = [quota.allows("a", is_known=True, now=0) for _ in range(100)]
    assert kept == [True] * visits.MOST_FOR_A_TOKEN + [False] * (100 - visits.MOST_FOR_A_TOKEN)
    assert quota.allows("b", is_known=True, now=0)


def test_a_flood_of_unknown_tokens_keeps_a_few_and_then_one_a_second() -> None:
    quota = Quota()
    flood = [quota.allows(str(n), is_known=False, now=1000) for n in range(100)]
    assert sum(flood) == visits.UNKNOWN_AT_ONCE
    later = [quota.allows(str(n), is_known=False, now=1000 + n / 100) for n in range(1000)]
    assert 9 <= sum(later) <= 10


def test_a_flood_of_unknown_tokens_displaces_no_published_one() -> None:
    quota = Quota()
    for n in range(10_000):
        quota.allows(str(n), is_known=False, now=0)
    assert quota.allows("a", is_known=True, now=0)


def test_counting_is_bounded_and_what_is_asked_for_stays_counted() -> None:
    quota = Quota()
    for n in range(visits.MOST_TOKENS_COUNTED * 2):
        quota.allows(str(n), is_known=True, now=0)
        quota.allows("a", is_known=True, now=0)
    assert not quota.allows("a", is_known=True, now=0)
    assert len(quota._counts) == visits.MOST_TOKENS_COUNTED


def made(token: str = "a", *, host: str = "a.test", user_agent: str = "x") -> visits.Visit:
    return visit(
        token, is_known=True, now=NOW, address="192.0.2.1", host=host, user_agent=user_agent
    )


def test_the_texts_of_a_stranger_are_cut_and_the_port_is_dropped() -> None:
    long = made(host="h" * 300 + ":80", user_agent="u" * 5000)
    assert (long.host, long.user_agent) == ("h" * 255, "u" * 200)
    assert made(host="gateway.test:8080").host == "gateway.test"
    assert made(host="[2001:db8::1]:80").host == "[2001:db8::1]"
    assert made(host="[2001:db8::1]").host == "[2001:db8::1]"


def test_the_book_keeps_visits_in_order_until_they_are_taken() -> None:
    book = Book()
    for n in range(3):
        book.note(made(str(n)))
    assert book.news.is_set()
    assert [taken.token for taken in book.take()] == ["0", "1", "2"]
    assert book.take() == []


def test_a_book_that_nobody_reads_takes_no_more() -> None:
    book = Book()
    while book.has_room():
        book.note(made())
    assert len(book.take()) == visits.MOST_UNWRITTEN
    assert book.has_room()
