from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certificates.authority import (
    AcmeError,
    InvalidAnswerError,
    Reader,
    UnreachableError,
    fetch_renewal_information,
    reader,
)
from tests.certificates.authority.ca import Ca, Reply, refusal

ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
WINDOW = {"start": "2026-12-01T00:00:00Z", "end": "2026-12-03T00:00:00Z"}
START = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2026, 12, 3, tzinfo=datetime.UTC)


@pytest.fixture
def informing(ca: Ca) -> Ca:
    """A CA that offers renewal information."""
    ca.answers["/directory"] = Reply(ca.directory(renewalInfo=f"{ca.base}/renewal"))
    ca.answers[f"/renewal/{ID}"] = Reply({"suggestedWindow": WINDOW})
    return ca


@pytest.fixture
def asking(informing: Ca) -> Iterator[Reader]:
    """Somebody who asks it."""
    with reader(informing.url, informing.bundle) as opened:
        yield opened


def test_the_window_is_read_with_link_and_next_time(informing: Ca) -> None:
    informing.answers[f"/renewal/{ID}"] = Reply(
        {"suggestedWindow": WINDOW, "explanationURL": "https://ca.example/why?x=1"},
        headers={"Retry-After": "21600"},
    )
    answer = fetch_renewal_information(informing.url, informing.bundle, ID)
    assert answer is not None
    assert (answer.window_start, answer.window_end) == (START, END)
    assert answer.explanation_url == "https://ca.example/why?x=1"
    assert answer.retry_after is not None
    pause = answer.retry_after - datetime.datetime.now(datetime.UTC)
    assert 21500 < pause.total_seconds() <= 21600


def test_it_is_asked_without_a_signature_and_the_rest_may_be_missing(
    informing: Ca, asking: Reader
) -> None:
    answer = asking.renewal_information(ID)
    assert answer is not None
    assert (answer.explanation_url, answer.retry_after) == ("", None)
    assert [(seen.method, seen.path) for seen in informing.seen] == [
        ("GET", "/directory"),
        ("GET", f"/renewal/{ID}"),
    ]


def test_many_questions_share_one_connection_and_one_directory(
    informing: Ca, asking: Reader
) -> None:
    for _ in range(5):
        asking.directory()
        asking.renewal_information(ID)
    assert informing.connections == 1
    assert len(informing.requests("/directory")) == 1


def test_a_slash_at_the_end_of_the_address_is_not_doubled(informing: Ca) -> None:
    informing.answers["/directory"] = Reply(
        informing.directory(renewalInfo=f"{informing.base}/renewal/")
    )
    assert fetch_renewal_information(informing.url, informing.bundle, ID) is not None


def test_a_ca_that_offers_none_is_not_asked(ca: Ca) -> None:
    assert fetch_renewal_information(ca.url, ca.bundle, ID) is None
    assert [seen.path for seen in ca.seen] == ["/directory"]


@pytest.mark.parametrize("certificate_id", ["", "a", "a.", ".b", "a.b.c", "../x.y", "a.b?c", "a.é"])
def test_what_is_no_identifier_is_not_asked_for(
    informing: Ca, asking: Reader, certificate_id: str
) -> None:
    assert asking.renewal_information(certificate_id) is None
    assert [seen.path for seen in informing.seen] == ["/directory"]


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-12-01T00:00:00", "2026-12-03T00:00:00"),
        ("2026-12-01T05:30:00+05:30", "2026-12-02T19:00:00-05:00"),
        ("2026-12-01T00:00:00.0Z", "2026-12-03 00:00:00+00:00"),
    ],
)
def test_times_are_utc_whatever_their_zone(
    informing: Ca, asking: Reader, start: str, end: str
) -> None:
    informing.answers[f"/renewal/{ID}"] = Reply({"suggestedWindow": {"start": start, "end": end}})
    answer = asking.renewal_information(ID)
    assert answer is not None
    assert (answer.window_start, answer.window_end) == (START, END)
    assert answer.window_start.tzinfo is datetime.UTC


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"suggestedWindow": null}',
        b'{"suggestedWindow": []}',
        b'{"suggestedWindow": {}}',
        b'{"suggestedWindow": {"start": "2026-12-01T00:00:00Z"}}',
        b'{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": 5}}',
        b'{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "soon"}}',
        b'{"suggestedWindow": {"start": "2026-12-03T00:00:00Z", "end": "2026-12-01T00:00:00Z"}}',
        b'{"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}}',
        b'{"suggestedWindow": {"start": "0001-01-01T00:00:00+14:00", "end": "2026-12-01"}}',
        b"[" * 100_000,
    ],
)
def test_an_answer_without_a_proper_window_is_none(
    informing: Ca, asking: Reader, body: bytes
) -> None:
    informing.answers[f"/renewal/{ID}"] = Reply(body)
    with pytest.raises(InvalidAnswerError):
        asking.renewal_information(ID)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://ca.example/", "//x", "x", 5, []])
def test_an_explanation_that_is_no_web_link_is_left_out(
    informing: Ca, asking: Reader, link: object
) -> None:
    informing.answers[f"/renewal/{ID}"] = Reply({"suggestedWindow": WINDOW, "explanationURL": link})
    answer = asking.renewal_information(ID)
    assert answer is not None
    assert answer.explanation_url == ""


def test_one_that_fails_does_not_keep_the_others_from_being_asked(
    informing: Ca, asking: Reader
) -> None:
    informing.answers["/renewal/a.gone"] = refusal("malformed", 404)
    informing.answers["/renewal/a.broken"] = Reply(b"{}", promised=1000)
    with pytest.raises(AcmeError) as caught:
        asking.renewal_information("a.gone")
    assert caught.value.problem.status == 404
    with pytest.raises(UnreachableError):
        asking.renewal_information("a.broken")
    assert asking.renewal_information(ID) is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=json_values, start=json_values, end=json_values, link=json_values)
def test_no_answer_leads_to_anything_but_a_window_or_our_own_error(
    informing: Ca, asking: Reader, document: object, start: object, end: object, link: object
) -> None:
    window = {"suggestedWindow": {"start": start, "end": end}, "explanationURL": link}
    for body in (document, window):
        informing.answers[f"/renewal/{ID}"] = Reply(body)
        with pytest.raises(InvalidAnswerError):
            asking.renewal_information(ID)
