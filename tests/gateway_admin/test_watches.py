"""What a watchdog takes for dead, second by second."""

from __future__ import annotations

import dataclasses

import pytest

from gateway_admin.watches import (
    BEAT_HANGS_AFTER,
    DEAF_AFTER,
    PING_EVERY,
    STUCK_AFTER,
    BeatWatch,
    ConsumerWatch,
    PoolWatch,
    Watch,
)

START = 1_000.0
THREADS = 4


@dataclasses.dataclass
class Worker:
    """A worker and its broker, as the watch sees them."""

    hears: bool = True
    broker_takes: bool = True
    saturated: bool = False
    pings: int = 0
    begun: int = 0

    def ping(self) -> bool:
        if self.broker_takes:
            self.pings += 1
            self.begun += self.hears
        return self.broker_takes

    def watch(self) -> ConsumerWatch:
        return ConsumerWatch(
            START,
            ping=self.ping,
            begun=lambda: self.begun,
            is_saturated=lambda: self.saturated,
        )


def seconds_to_the_end(watch: Watch, now: float, most: float = 3600) -> float | None:
    """Look every second; after how many it says that the process should end."""
    for second in range(int(most)):
        if watch.look(now + second) is not None:
            return float(second)
    return None


def test_a_worker_that_hears_is_left_alone_and_costs_a_message_every_few_seconds() -> None:
    worker = Worker()
    assert seconds_to_the_end(worker.watch(), START) is None
    assert worker.pings == pytest.approx(3600 / PING_EVERY, abs=2)


def test_a_worker_that_goes_deaf_is_ended_after_three_pings_in_vain() -> None:
    worker = Worker()
    watch = worker.watch()
    assert seconds_to_the_end(watch, START, 60) is None
    worker.hears, worker.pings = False, 0
    silence = seconds_to_the_end(watch, START + 60)
    assert silence is not None
    assert DEAF_AFTER - PING_EVERY <= silence <= DEAF_AFTER + 1
    assert worker.pings >= 3
    sentence = watch.look(START + 60 + silence)
    assert sentence is not None
    assert sentence.startswith("The worker has carried out no message for 1")


def test_a_worker_that_never_hears_anything_gets_twice_the_time_to_connect() -> None:
    assert seconds_to_the_end(Worker(hears=False).watch(), START) == 2 * DEAF_AFTER


def test_while_the_broker_is_away_the_worker_is_not_to_blame() -> None:
    worker = Worker()
    watch = worker.watch()
    assert seconds_to_the_end(watch, START, 60) is None
    worker.hears = worker.broker_takes = False
    assert seconds_to_the_end(watch, START + 60) is None
    # Back, and the consumer is not: counted from the return and not from before.
    worker.broker_takes = True
    assert seconds_to_the_end(watch, START + 60 + 3600) == DEAF_AFTER - 1


def test_a_consumer_that_comes_back_seven_seconds_after_the_broker_lives_on() -> None:
    worker = Worker(hears=False, broker_takes=False)
    watch = worker.watch()
    assert seconds_to_the_end(watch, START, 600) is None
    worker.broker_takes = True
    assert seconds_to_the_end(watch, START + 600, 7) is None
    worker.hears = True
    assert seconds_to_the_end(watch, START + 607) is None


def test_a_worker_whose_threads_are_all_busy_is_not_deaf_and_gets_no_pings() -> None:
    worker = Worker(hears=False, saturated=True)
    watch = worker.watch()
    assert seconds_to_the_end(watch, START) is None
    assert worker.pings == 0
    worker.saturated = False
    assert seconds_to_the_end(watch, START + 3600) == DEAF_AFTER - 1


def test_time_in_which_the_machine_slept_is_not_counted() -> None:
    worker = Worker()
    watch = worker.watch()
    assert seconds_to_the_end(watch, START, 60) is None
    watch.excuse(START + 7260)
    worker.hears = False
    assert seconds_to_the_end(watch, START + 7260) == DEAF_AFTER


def test_all_threads_in_the_same_task_for_too_long_are_stuck() -> None:
    watch = PoolWatch(THREADS, lambda: [str(n) for n in range(THREADS)])
    assert seconds_to_the_end(watch, START) == STUCK_AFTER
    sentence = watch.look(START + STUCK_AFTER)
    assert sentence is not None
    assert "4 threads" in sentence


def test_one_thread_that_goes_on_is_enough() -> None:
    changing = iter(range(10_000))
    watch = PoolWatch(THREADS, lambda: ["a", "b", "c", f"changing {next(changing)}"])
    assert seconds_to_the_end(watch, START) is None


def test_a_free_thread_is_enough() -> None:
    watch = PoolWatch(THREADS, lambda: ["a", "b", "c"])
    assert seconds_to_the_end(watch, START) is None


def test_a_stuck_pool_is_excused_too() -> None:
    watch = PoolWatch(THREADS, lambda: "abcd")
    assert seconds_to_the_end(watch, START, STUCK_AFTER) is None
    watch.excuse(START + STUCK_AFTER)
    assert seconds_to_the_end(watch, START + STUCK_AFTER) == STUCK_AFTER


@dataclasses.dataclass
class Beat:
    """A beat and what it depends on."""

    ticked_at: float = START
    surroundings_answer: bool = True

    def watch(self) -> BeatWatch:
        return BeatWatch(
            START,
            ticked_at=lambda: self.ticked_at,
            surroundings_answer=lambda: self.surroundings_answer,
        )


def test_a_beat_that_makes_no_round_hangs() -> None:
    watch = Beat().watch()
    assert seconds_to_the_end(watch, START) == BEAT_HANGS_AFTER
    assert watch.look(START + 30) == (
        "Beat has not made its round for 30 seconds; it is ended to be started again."
    )


def test_a_beat_that_makes_its_rounds_is_left_alone() -> None:
    beat = Beat()
    watch = beat.watch()
    for second in range(100):
        beat.ticked_at = START + second - second % 5
        assert watch.look(START + second) is None


def test_a_beat_that_waits_for_database_or_broker_is_given_time_after_their_return() -> None:
    beat = Beat(surroundings_answer=False)
    watch = beat.watch()
    assert seconds_to_the_end(watch, START, 600) is None
    beat.surroundings_answer = True
    assert seconds_to_the_end(watch, START + 600) == BEAT_HANGS_AFTER


def test_a_beat_that_comes_back_with_the_database_lives_on() -> None:
    beat = Beat(surroundings_answer=False)
    watch = beat.watch()
    assert seconds_to_the_end(watch, START, 600) is None
    beat.ticked_at, beat.surroundings_answer = START + 600, True
    assert seconds_to_the_end(watch, START + 600) == BEAT_HANGS_AFTER


def test_a_beat_is_excused_too() -> None:
    watch = Beat().watch()
    watch.excuse(START + 100)
    assert seconds_to_the_end(watch, START + 100) == BEAT_HANGS_AFTER
