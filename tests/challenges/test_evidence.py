"""The evidence that the challenge process leaves of who has asked: complete, prompt, bounded."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from contextlib import closing

import pytest

from challenges import visits
from tests.challenges.conftest import (
    AUTHORIZATION,
    TOKEN,
    ChallengeProcess,
    exchange,
    get,
    received,
)
from tests.parts.processes import wait_until

PATH = f"/.well-known/acme-challenge/{TOKEN}"
UNKNOWN = f"/.well-known/acme-challenge/{{}}{'x' * 40}"


@pytest.fixture
def port(challenges: ChallengeProcess) -> int:
    row = challenges.listener()
    assert row is not None
    return int(row["port"])


def test_a_validation_is_written_down_at_once_with_who_asked_how(
    challenges: ChallengeProcess, port: int
) -> None:
    exchange(
        port,
        f"GET {PATH} HTTP/1.1\r\nHost: Gateway.test:80\r\nUser-Agent: a CA\r\n"
        "Connection: close\r\n\r\n".encode(),
    )
    wait_until(challenges.visits, "the row", timeout=1)
    (row,) = challenges.visits()
    assert (row["is_known"], row["address"]) == (1, "127.0.0.1")
    assert (row["host"], row["user_agent"]) == ("Gateway.test", "a CA")


def test_wrong_paths_and_methods_leave_no_evidence(challenges: ChallengeProcess, port: int) -> None:
    for request in (f"POST {PATH}", "GET /", f"GET {PATH}/"):
        exchange(port, f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    get(port)
    wait_until(challenges.visits, "the row of the one right request", timeout=1)
    assert challenges.count("challenges_validationrequest") == 1


def test_a_flood_leaves_a_bounded_number_of_rows(challenges: ChallengeProcess, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=9) as flood:
        for n in range(300):
            flood.sendall(
                f"GET {PATH} HTTP/1.1\r\n\r\nGET {UNKNOWN.format(n)} HTTP/1.1\r\n\r\n".encode()
            )
            flood.recv(4096)
        flood.shutdown(socket.SHUT_WR)
        received(flood)
    last = f"after-the-flood-{'y' * 20}"
    challenges.publish(last, f"{last}.z")
    get(port, f"/.well-known/acme-challenge/{last}")
    wait_until(lambda: challenges.visits(last), "the row of a validation after it", timeout=2)
    assert len(challenges.visits()) == visits.MOST_FOR_A_TOKEN
    others = challenges.count("challenges_validationrequest") - visits.MOST_FOR_A_TOKEN - 1
    assert visits.UNKNOWN_AT_ONCE <= others <= visits.UNKNOWN_AT_ONCE + 10


def test_what_has_been_noted_is_written_before_the_process_ends(
    challenges: ChallengeProcess, port: int
) -> None:
    for _ in range(5):
        get(port)
    challenges.process.signal(signal.SIGTERM)
    assert challenges.process.wait(5) == 0
    assert len(challenges.visits()) == 5


def test_a_database_that_somebody_else_keeps_locked_delays_no_answer(
    challenges: ChallengeProcess, port: int
) -> None:
    with closing(sqlite3.connect(challenges.data_dir / "db.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(10):
            started = time.monotonic()
            assert get(port).endswith(AUTHORIZATION.encode())
            assert time.monotonic() - started < 4
        wait_until(
            lambda: "database is locked" in challenges.process.output(), "the log", timeout=8
        )
        assert get(port).endswith(AUTHORIZATION.encode())
        other.rollback()
    wait_until(lambda: len(challenges.visits()) == 11, "the evidence", timeout=8)


def test_a_validation_that_came_while_the_database_was_away_is_told_from_an_unpublished_one(
    challenges: ChallengeProcess, port: int
) -> None:
    published = f"published-and-never-asked-for-{'z' * 20}"
    challenges.publish(published, f"{published}.z")
    with challenges.without_database():
        put_off = get(port, f"/.well-known/acme-challenge/{published}")
        assert put_off.startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: challenges.visits(published), "the row", timeout=5)
    (row,) = challenges.visits(published)
    assert (row["is_known"], row["was_sent"]) == (None, 1)
    get(port, UNKNOWN.format(1))
    unknown = UNKNOWN.format(1).rpartition("/")[2]
    wait_until(lambda: challenges.visits(unknown), "the row", timeout=2)
    assert challenges.visits(unknown)[0]["is_known"] == 0
