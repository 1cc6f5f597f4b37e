"""Whether an order could be placed now and its certificate stored: what only this console knows.

Parts of a preflight; each says what it found, and writes nothing that stays.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait

from django.utils import timezone

from certificates import backoffs, directories, disk, requesting
from certificates.models import Directory, Gateway
from certificates.policy import disk as disk_policy
from certificates.policy import preflight as policy
from certificates.policy import warnings
from certificates.policy.issuance import Environment
from certificates.policy.names import identifier_set
from challenges.preflight.report import Established, Fact, Report
from challenges.problems import Problem, ProblemError

# A disk that hangs is a finding, and no reason to hang as well (seconds).
DISK_PATIENCE = 3.0


class OneAtATime:
    """A question that may hang for ever, in a thread of its own and in no more than one.

    Who asks while another is asking shares its answer, and is told None as soon as that has taken
    too long: so however often a disk that hangs is asked for, it costs one thread.
    """

    _answer: Future[Problem | bool]

    def __init__(self) -> None:
        self._forget()
        # The thread that would answer stays behind in the parent.
        os.register_at_fork(after_in_child=self._forget)

    def ask(self, question: Callable[[], Problem | bool], seconds: float) -> Problem | bool | None:
        """The answer; None when it has not come ``seconds`` after it was first asked for.

        Raises what the question raises.
        """
        with self._lock:
            if self._answer.done():
                asked: Future[Problem | bool] = Future()
                threading.Thread(
                    target=_answer, args=(question, asked), name="disk", daemon=True
                ).start()
                self._answer, self._began = asked, time.monotonic()
            answer, began = self._answer, self._began
        wait([answer], timeout=max(0.0, began + seconds - time.monotonic()))
        return answer.result() if answer.done() else None

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._began = 0.0
        self._answer = Future()
        self._answer.cancel()


_disk = OneAtATime()


def room() -> Report:
    """Whether a certificate could be stored; nothing is ordered while it could not."""
    directory = str(disk.data_directory())
    found = _disk.ask(_why_no_room, DISK_PATIENCE)
    match found:
        case Problem():
            return Report((found,))
        case None:
            return Report((disk_policy.not_writable(directory, "No answer in time"),))
        case _:
            seen = f"A certificate can be stored: there is room in {directory}."
            return Report(established=(Established(Fact.STORAGE_READY, seen),))


def orders(gateway: Gateway, names: Sequence[str], asked: Iterable[Environment]) -> Report:
    """Whether our own budget, or a pause that the CA has asked for, forbids an order now."""
    reasons = requesting.why_no_order(gateway, names, asked, timezone.now())
    if reasons:
        return Report(tuple(reasons))
    seen = "The CA's rate limits leave room for an order, as far as this console has used them."
    return Report(established=(Established(Fact.ORDER_ALLOWED, seen),))


def automatic(names: Sequence[str]) -> Report:
    """What keeps an issuance from beginning by itself; a person may begin one all the same."""
    now, known, key = timezone.now(), directories.known(), identifier_set(names)
    absent = [directories.away(known, environment, now) for environment in Environment]
    found = [problem for row in absent if row is not None and (problem := _absence(row))]
    backoff = backoffs.by_set([key]).get(key)
    until = backoffs.holds_until(backoff, known, now)
    if backoff is not None and backoff.is_stopped:
        found.append(policy.renewal_stopped(backoff.problem))
    elif backoff is not None and until is not None and until > now:
        found.append(policy.renewal_waits(backoff.problem, until))
    return Report(tuple(found))


def _answer(question: Callable[[], Problem | bool], answer: Future[Problem | bool]) -> None:
    try:
        answer.set_result(question())
    except BaseException as error:  # handed to whoever asks
        answer.set_exception(error)


def _why_no_room() -> Problem | bool:
    """False when there is room: None stands for no answer."""
    try:
        disk.require_space()
    except ProblemError as error:
        return error.problem
    return False


def _absence(row: Directory) -> Problem | None:
    if row.away_since is None:
        return None
    label = directories.label_of(row.url)
    facts = warnings.AuthorityFacts(label, row.url, row.away_since, row.detail)
    return warnings.absence(facts, row.away_since)
