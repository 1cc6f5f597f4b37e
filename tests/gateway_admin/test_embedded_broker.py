"""The embedded broker under many senders and takers at once, which Kombu's own does not survive."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from pathlib import Path
from queue import Empty

import kombu
import pytest

from gateway_admin.celery import app  # noqa: F401  (registers the transport)
from gateway_admin.embedded_broker import STALE_AFTER, Transport

SENDERS = 3
EACH = 100


def connect(folder: Path) -> kombu.Connection:
    """A connection as the settings make it."""
    options = {"data_folder_in": str(folder), "data_folder_out": str(folder)}
    return kombu.Connection("filesystem://", transport_options=options)


def send(folder: Path, sender: int) -> None:
    """Each message over a connection of its own, as commands do; the process ends with status 0."""
    for number in range(EACH):
        with connect(folder) as connection, connection.SimpleQueue("tasks") as queue:
            queue.put({"sender": sender, "number": number})


def test_every_message_of_many_senders_arrives_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    senders = [context.Process(target=send, args=(tmp_path, n)) for n in range(SENDERS)]
    for process in senders:
        process.start()
    taken: Counter[tuple[int, int]] = Counter()
    with connect(tmp_path) as connection, connection.SimpleQueue("tasks") as queue:
        while taken.total() < SENDERS * EACH:
            message = queue.get(timeout=30)
            message.ack()
            taken[message.payload["sender"], message.payload["number"]] += 1
    for process in senders:
        process.join(timeout=30)
    assert [process.exitcode for process in senders] == [0] * SENDERS
    assert taken == Counter((n, m) for n in range(SENDERS) for m in range(EACH))
    assert list(tmp_path.iterdir()) == []


def test_messages_come_in_the_order_of_sending(tmp_path: Path) -> None:
    with connect(tmp_path) as connection, connection.SimpleQueue("tasks") as queue:
        for number in range(20):
            queue.put(number)
        assert [queue.get(timeout=1).payload for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("content", ["", "{", "\x00\x01"])
def test_an_unreadable_message_is_dropped_and_the_next_one_taken(
    tmp_path: Path, content: str
) -> None:
    with connect(tmp_path) as connection, connection.SimpleQueue("tasks") as queue:
        (tmp_path / "0_broken.tasks.msg").write_text(content)
        queue.put("whole")
        assert queue.get(timeout=1).payload == "whole"
        with pytest.raises(Empty):
            queue.get(timeout=0.1)


def test_a_folder_that_was_wiped_is_an_empty_broker_and_comes_back_with_the_next_message(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "broker"
    with connect(folder) as connection, connection.SimpleQueue("tasks") as queue:
        assert queue.qsize() == 0
        queue.put("one")
        assert queue.get(timeout=1).payload == "one"
        folder.rmdir()
        with pytest.raises(Empty):
            queue.get(timeout=0.1)
        queue.put("two")
        assert queue.get(timeout=1).payload == "two"


def test_who_begins_to_take_messages_throws_away_what_nobody_has_taken_for_an_hour(
    tmp_path: Path,
) -> None:
    long_ago = time.time() - STALE_AFTER - 60
    with connect(tmp_path) as connection:
        for name in ("watch-1", "tasks"):
            with connection.SimpleQueue(name) as queue:
                queue.put("old")
        (tmp_path / ".taken-1").touch()
        for path in tmp_path.iterdir():
            os.utime(path, (long_ago, long_ago))
        with connection.SimpleQueue("tasks") as queue:
            queue.put("new")
            message = queue.get(timeout=1)
            message.ack()
    assert message.payload == "new"
    assert list(tmp_path.iterdir()) == []


def test_it_is_what_the_settings_name(tmp_path: Path) -> None:
    assert isinstance(connect(tmp_path).transport, Transport)
