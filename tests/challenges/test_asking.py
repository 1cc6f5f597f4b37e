"""Group reads: who is answered by which look into the database."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping

from challenges import answering, asking
from challenges.answering import Answer
from challenges.asking import Memory, Questions

PUBLISHED = {"a": "a.x", "b": "b.x"}


class Database:
    """Answers a look only when it is told to, and remembers what was looked for."""

    def __init__(self) -> None:
        self.published = dict(PUBLISHED)
        self.looks: queue.Queue[tuple[str, ...]] = queue.Queue()
        self.is_away = False
        self.loses_replies = False
        self.go_on = threading.Semaphore(0)
        self.late = threading.Event()

    def read(self, tokens: Collection[str]) -> Mapping[str, str] | None:
        found = {token: self.published[token] for token in tokens if token in self.published}
        is_lost = self.loses_replies
        self.looks.put(tuple(tokens))
        if is_lost:
            self.late.wait(30)
            return found
        assert self.go_on.acquire(timeout=10)
        if self.is_away:
            return None
        return {token: self.published[token] for token in tokens if token in self.published}


class Stranger:
    """Somebody who waits."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def hear(self, answer: Answer) -> None:
        self.answers.append(answer)

    @property
    def body(self) -> bytes:
        (answer,) = self.answers
        return answer.body


class Scene:
    """Questions on a running loop and the database behind them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.database = Database()
        self.now = 1000.0
        self.hopeless = 0
        self.questions = Questions(
            self.database.read,
            time=lambda: self.now,
            call_soon=self.loop.call_soon,
            call_back=self.loop.call_soon_threadsafe,
            hopeless=self.lose_hope,
        )

    def lose_hope(self) -> None:
        self.hopeless += 1

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.questions.tend()

    def ask(self, token: str) -> Stranger:
        stranger = Stranger()
        self.questions.ask(token, stranger)
        return stranger

    async def look(self) -> tuple[str, ...]:
        """What the look that has begun is for."""
        return await asyncio.to_thread(self.database.looks.get, timeout=10)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


def play(run: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    """Run a scene and end it, whatever comes of it."""

    async def to_its_end() -> None:
        scene = Scene()
        try:
            await run(scene)
        finally:
            scene.questions.end()
            scene.database.late.set()
            scene.database.go_on.release(10)

    asyncio.run(to_its_end())


def test_all_who_ask_at_the_same_time_are_answered_by_one_look() -> None:
    async def run(scene: Scene) -> None:
        strangers = [scene.ask(token) for token in ("a", "b", "c", "a")]
        assert await scene.look() == ("a", "b", "c")
        scene.database.go_on.release()
        await scene.until(lambda: all(stranger.answers for stranger in strangers))
        assert [stranger.body for stranger in strangers] == [b"a.x", b"b.x", b"404\n", b"a.x"]

    play(run)


def test_who_asks_while_a_look_is_under_way_is_answered_by_one_that_begins_later() -> None:
    async def run(scene: Scene) -> None:
        first = scene.ask("late")
        assert await scene.look() == ("late",)
        # Committed only now: the look that is under way may have missed it.
        second = scene.ask("late")
        third = scene.ask("a")
        scene.database.go_on.release()
        await scene.until(lambda: first.answers)
        assert not second.answers
        assert await scene.look() == ("late", "a")
        scene.database.published["late"] = "late.x"
        scene.database.go_on.release()
        await scene.until(lambda: second.answers and third.answers)
        assert (first.body, second.body, third.body) == (b"404\n", b"late.x", b"a.x")

    play(run)


def test_nobody_asks_the_database_twice_at_a_time() -> None:
    async def run(scene: Scene) -> None:
        strangers = [scene.ask("a")]
        await scene.look()
        for _ in range(100):
            strangers.append(scene.ask("b"))
            await asyncio.sleep(0)
        assert scene.database.looks.empty()
        scene.database.go_on.release()
        assert await scene.look() == ("b",)
        scene.database.go_on.release()
        await scene.until(lambda: all(stranger.answers for stranger in strangers))
        assert scene.database.looks.empty()

    play(run)


def test_while_the_database_is_away_what_was_last_known_is_answered() -> None:
    async def run(scene: Scene) -> None:
        before = scene.ask("a")
        scene.database.go_on.release()
        await scene.until(lambda: before.answers)
        scene.database.is_away = True
        known, unknown = scene.ask("a"), scene.ask("b")
        scene.database.go_on.release()
        await scene.until(lambda: known.answers and unknown.answers)
        assert (known.body, unknown.answers) == (b"a.x", [answering.AWAY])

    play(run)


def test_a_database_that_is_away_is_tried_again_though_nobody_asks() -> None:
    async def run(scene: Scene) -> None:
        scene.database.is_away = True
        stranger = scene.ask("a")
        assert await scene.look() == ("a",)
        scene.database.go_on.release()
        await scene.until(lambda: stranger.answers)
        for _ in range(2):
            scene.pass_time(asking.LOOK_AGAIN_AFTER / 2)
            assert scene.database.looks.empty()
            scene.pass_time(asking.LOOK_AGAIN_AFTER / 2)
            assert await scene.look() == ("",)
            scene.database.go_on.release()
            await scene.until(lambda: not scene.questions._is_looking)
        scene.database.is_away = False
        scene.pass_time(asking.LOOK_AGAIN_AFTER)
        scene.database.go_on.release()
        await scene.until(lambda: not scene.questions._is_away)
        scene.database.looks.get()
        scene.pass_time(asking.LOOK_AGAIN_AFTER)
        assert scene.database.looks.empty()

    play(run)


def test_who_has_gone_is_neither_looked_for_nor_answered() -> None:
    async def run(scene: Scene) -> None:
        first = scene.ask("a")
        await scene.look()
        gone, stays = scene.ask("b"), scene.ask("c")
        scene.questions.forget("a", first)
        scene.questions.forget("b", gone)
        scene.questions.forget("nobody asked for it", gone)
        scene.database.go_on.release(2)
        await scene.until(lambda: stays.answers)
        assert await scene.look() == ("c",)
        assert not first.answers
        assert not gone.answers

    play(run)


def test_who_waits_for_a_lost_reply_is_answered_and_the_next_one_over_a_new_connection() -> None:
    async def run(scene: Scene) -> None:
        scene.database.loses_replies = True
        waits = scene.ask("a")
        await scene.look()
        scene.database.loses_replies = False
        scene.pass_time(asking.OVERDUE_AFTER - 0.1)
        assert not waits.answers, "a look may take its time"
        scene.pass_time(0.1)
        assert waits.answers == [answering.AWAY]
        following = scene.ask("a")
        assert await scene.look() == ("a",)
        scene.database.go_on.release()
        await scene.until(lambda: following.answers)
        assert following.body == b"a.x"

    play(run)


def test_a_reply_that_comes_too_late_brings_nothing_back_that_was_withdrawn() -> None:
    async def run(scene: Scene) -> None:
        scene.database.loses_replies = True
        scene.ask("a")
        await scene.look()
        scene.database.loses_replies = False
        scene.pass_time(asking.OVERDUE_AFTER)
        del scene.database.published["a"]
        stranger = scene.ask("a")
        scene.database.go_on.release()
        await scene.until(lambda: stranger.answers)
        assert stranger.body == b"404\n"
        (hanging,) = scene.questions._hanging
        scene.database.late.set()
        await scene.until(lambda: not hanging.is_alive())
        await asyncio.sleep(0)
        assert scene.questions.remembered("a") is answering.AWAY

    play(run)


def test_when_every_reply_is_lost_threads_are_few_and_a_new_process_is_asked_for() -> None:
    async def run(scene: Scene) -> None:
        scene.database.loses_replies = True
        for _ in range(asking.MOST_HANGING + 1):
            scene.ask("a")
            await scene.look()
            scene.pass_time(asking.OVERDUE_AFTER)
        scene.pass_time(asking.HOPELESS_AFTER - asking.OVERDUE_AFTER - 1)
        assert len(scene.questions._hanging) == asking.MOST_HANGING
        assert scene.hopeless == 0
        scene.pass_time(1)
        assert scene.hopeless == 1
        assert scene.database.looks.empty(), "nothing more is asked meanwhile"

    play(run)


def test_when_threads_that_hung_have_ended_others_take_their_place() -> None:
    async def run(scene: Scene) -> None:
        scene.database.loses_replies = True
        for _ in range(asking.MOST_HANGING + 1):
            scene.ask("a")
            await scene.look()
            scene.pass_time(asking.OVERDUE_AFTER)
        scene.database.late.set()
        await scene.until(lambda: not scene.questions._is_looking)
        scene.database.loses_replies = False
        stranger = scene.ask("a")
        scene.database.go_on.release()
        await scene.until(lambda: stranger.answers)
        assert stranger.body == b"a.x"
        assert scene.hopeless == 0

    play(run)


def test_memory_is_bounded_and_forgets_what_has_been_withdrawn_and_what_is_old() -> None:
    memory = Memory(most=2)
    memory.learn(["a"], {"a": "a.x"}, 0)
    memory.learn(["b", "c"], {"b": "b.x", "c": "c.x"}, 10)
    assert memory.answer("a", 10) is answering.AWAY
    memory.learn(["b"], {}, 10)
    assert memory.answer("b", 10) is answering.AWAY
    assert memory.answer("c", 10).body == b"c.x"
    assert memory.answer("c", 10 + asking.LONGEST_REMEMBERED).body == b"c.x"
    assert memory.answer("c", 11 + asking.LONGEST_REMEMBERED) is answering.AWAY
    assert asking.MOST_REMEMBERED <= 10_000
