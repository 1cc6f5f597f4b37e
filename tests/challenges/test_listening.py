"""The challenge port's process: follows the configured port while it runs, and ends cleanly."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.challenges.conftest import (
    AUTHORIZATION,
    TOKEN,
    ChallengeProcess,
    StartChallenges,
    get,
    received,
)
from tests.parts.processes import answers, free_port, is_taken, wait_until


@contextmanager
def occupied(port: int) -> Iterator[None]:
    """Another program on the port: this one."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def processes_of(session: int) -> list[int]:
    """The processes of a session: the master's and whatever it has started."""
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            if os.getsid(int(directory.name)) == session and "Z" not in _state(directory):
                found.append(int(directory.name))
        except OSError:
            continue
    return found


def _state(directory: Path) -> str:
    return (directory / "stat").read_text().rpartition(")")[2].split()[0]


def current_port(challenges: ChallengeProcess) -> int:
    row = challenges.listener()
    assert row is not None
    port = row["port"]
    assert isinstance(port, int)
    return port


def test_the_process_serves_tokens_and_reports_itself(challenges: ChallengeProcess) -> None:
    row = challenges.listener()
    assert row is not None
    assert row["host"] == socket.gethostname()
    assert row["pid"] == challenges.process.pid
    assert row["port"] == row["wanted_port"]
    assert (row["addresses"], row["error"]) == ("127.0.0.1", "")
    assert get(row["port"]).endswith(AUTHORIZATION.encode())


def test_the_heartbeat_goes_on(challenges: ChallengeProcess) -> None:
    first = challenges.listener()
    assert first is not None
    wait_until(
        lambda: not challenges.reports(seen_at=first["seen_at"]), "another heartbeat", timeout=5
    )
    assert challenges.reports(started_at=first["started_at"])


def test_a_new_port_answers_within_five_seconds_and_the_old_one_is_closed(
    challenges: ChallengeProcess,
) -> None:
    old, new = current_port(challenges), free_port()
    started = time.monotonic()
    challenges.set_port(new)
    challenges.wait_for(new)
    assert time.monotonic() - started < 5
    assert get(new).endswith(AUTHORIZATION.encode())
    wait_until(lambda: not answers(old), "the old port is closed", timeout=5)
    wait_until(lambda: challenges.reports(port=new, wanted_port=new, error=""), "the report")
    assert not is_taken(old)


def test_one_port_or_the_other_answers_at_every_moment_of_a_change(
    challenges: ChallengeProcess,
) -> None:
    old, new = current_port(challenges), free_port()
    challenges.set_port(new)
    deadline = time.monotonic() + 10
    while not answers(new):
        assert time.monotonic() < deadline
        assert get(old).endswith(AUTHORIZATION.encode()) or answers(new)
    assert get(new).endswith(AUTHORIZATION.encode())


def test_a_request_under_way_is_finished_on_the_old_port(challenges: ChallengeProcess) -> None:
    old, new = current_port(challenges), free_port()
    with socket.create_connection(("127.0.0.1", old), timeout=5) as connection:
        connection.sendall(f"GET /.well-known/acme-challenge/{TOKEN} HTTP/1.1\r\n".encode())
        challenges.set_port(new)
        challenges.wait_for(new)
        wait_until(lambda: not answers(old), "the old port is closed", timeout=5)
        connection.sendall(b"Host: a.test\r\n\r\n")
        assert received(connection).endswith(AUTHORIZATION.encode())


def test_a_taken_port_leaves_the_old_one_serving_and_is_taken_over_when_it_is_free(
    challenges: ChallengeProcess,
) -> None:
    old, new = current_port(challenges), free_port()
    with occupied(new):
        challenges.set_port(new)
        wait_until(lambda: challenges.reports(wanted_port=new, port=old), "the report", timeout=5)
        row = challenges.listener()
        assert row is not None
        assert f"Port {new} is already in use" in row["error"]
        assert f"(process {os.getpid()})" in row["error"]
        assert get(old).endswith(AUTHORIZATION.encode())
        time.sleep(2.5)
        assert challenges.process.output().count("already in use") == 1
    challenges.wait_for(new)
    wait_until(lambda: challenges.reports(port=new, error=""), "the report", timeout=5)


def test_going_back_from_a_taken_port_clears_the_error(challenges: ChallengeProcess) -> None:
    old, new = current_port(challenges), free_port()
    with occupied(new):
        challenges.set_port(new)
        wait_until(lambda: challenges.reports(wanted_port=new), "the report", timeout=5)
        challenges.set_port(old)
        wait_until(lambda: challenges.reports(wanted_port=old, error=""), "the report", timeout=5)
    assert get(old).endswith(AUTHORIZATION.encode())


def test_a_port_that_is_taken_at_the_start_is_waited_for(start_challenges: StartChallenges) -> None:
    port = free_port()
    with occupied(port):
        challenges = start_challenges(port)
        wait_until(lambda: challenges.reports(port=None, wanted_port=port), "the report")
        row = challenges.listener()
        assert row is not None
        assert "already in use" in row["error"]
    challenges.wait_for(port)
    wait_until(lambda: challenges.reports(port=port, error=""), "the report", timeout=5)


def test_both_families_are_served_by_default(start_challenges: StartChallenges) -> None:
    port = free_port()
    challenges = start_challenges(port, GATEWAY_ADMIN_CHALLENGE_HOST="0.0.0.0,[::]")
    challenges.publish()
    challenges.wait_for(port)
    assert get(port).endswith(AUTHORIZATION.encode())
    assert get(port, host="::1").endswith(AUTHORIZATION.encode())
    wait_until(lambda: challenges.reports(addresses="0.0.0.0,[::]"), "the report")


def test_the_report_names_the_addresses_that_are_really_bound(
    start_challenges: StartChallenges,
) -> None:
    port = free_port()
    with occupied(port):
        challenges = start_challenges(port, GATEWAY_ADMIN_CHALLENGE_HOST="localhost")
        wait_until(lambda: challenges.reports(port=None, addresses=""), "the report of nothing")
    wait_until(lambda: challenges.reports(port=port, error=""), "the report of the port", timeout=5)
    row = challenges.listener()
    assert row is not None
    assert row["addresses"] in {"127.0.0.1", "[::1]"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_five_seconds_and_leaves_nothing_behind(
    challenges: ChallengeProcess, number: signal.Signals
) -> None:
    port = current_port(challenges)
    session = challenges.process.pid
    assert processes_of(session) == [session], "one process"
    with socket.create_connection(("127.0.0.1", port)):  # says nothing and must not delay the end
        started = time.monotonic()
        challenges.process.signal(number)
        assert challenges.process.wait(5) == 0
        assert time.monotonic() - started < 5
    assert processes_of(session) == []
    assert not is_taken(port)


def test_a_hangup_is_no_reason_to_stop(challenges: ChallengeProcess) -> None:
    port = current_port(challenges)
    challenges.process.signal(signal.SIGHUP)
    challenges.process.signal(signal.SIGUSR2)
    time.sleep(1.5)
    assert get(port).endswith(AUTHORIZATION.encode())
    assert processes_of(challenges.process.pid) == [challenges.process.pid]


def test_it_waits_for_a_database_that_is_away_and_says_so_once(
    challenges: ChallengeProcess,
) -> None:
    port = current_port(challenges)
    assert get(port).endswith(AUTHORIZATION.encode())
    with challenges.without_database():
        time.sleep(2.5)
        assert challenges.process.output().count("The database does not answer") == 1
        elsewhere = f"/.well-known/acme-challenge/{'x' * 43}"
        wait_until(lambda: b" 503 " in get(port, elsewhere)[:20], "503", timeout=15)
        assert get(port).endswith(AUTHORIZATION.encode()), "what was known last is answered"
    wait_until(lambda: get(port).endswith(AUTHORIZATION.encode()), "the token", timeout=10)
