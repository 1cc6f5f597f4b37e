"""Has uploads read by a process of their own, whose time and memory are limited.

Whatever that process does, dies of or answers, the caller gets a certificate or a ProblemError.
Files, password and key go through pipes alone, never through arguments, environment or a log.
"""

from __future__ import annotations

import datetime
import logging
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from certificates.parsing import messages, refusals
from certificates.parsing.messages import ImportedCertificate, Question
from certificates.parsing.refusals import MAX_FILE, MAX_FILES
from challenges.problems import Problem, ProblemError

__all__ = ["MAX_FILE", "MAX_FILES", "ImportedCertificate", "read"]

logger = logging.getLogger("gateway_admin.importing")

# What is tried at all takes about a second (costs.py), and the process limits its computing itself,
# to two. This one is for a machine so busy that these take long, and for a process that hangs.
PATIENCE = 20.0  # seconds
_CHILD = Path(__file__).parent / "parsing" / "child.py"
# Writing bytecode would count as writing files, which the process may not.
COMMAND = (sys.executable, "-I", "-B", str(_CHILD))
# Nothing of ours. Without a home Python would look for one, over a socket or a network if that is
# where the machine keeps its users.
_ENVIRONMENT = {"HOME": "/"}
# By these the system ends what spends too much, and the library itself when memory is refused.
_SPENT = frozenset({signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT})


def read(
    files: Sequence[bytes],
    password: str | None = None,
    *,
    known_keys: Collection[str] = (),
    now: datetime.datetime | None = None,
    command: Sequence[str] = COMMAND,
    patience: float = PATIENCE,
) -> ImportedCertificate:
    """The certificate, its chain in order and its key, from files of any form in any order.

    ``known_keys``: hexadecimal SHA-256 of the SubjectPublicKeyInfos whose private keys are kept
    here; for them the files need no key. Raises ProblemError with the one thing that is wrong.
    Any number of threads may call it at once.
    """
    if problem := _why_not_even_tried(files):
        raise ProblemError(problem)
    question = Question(
        files=tuple(files),
        password=password,
        known_keys=frozenset(known_keys),
        now=now or datetime.datetime.now(datetime.UTC),
    )
    outcome = _ask(question, command, patience)
    if isinstance(outcome, Problem):
        raise ProblemError(outcome)
    return outcome


def _why_not_even_tried(files: Sequence[bytes]) -> Problem | None:
    if not files:
        return refusals.NO_CERTIFICATE
    if len(files) > MAX_FILES:
        return refusals.TOO_MANY_FILES
    if any(len(content) > MAX_FILE for content in files):
        return refusals.TOO_LARGE
    return None


def _ask(
    question: Question, command: Sequence[str], patience: float
) -> ImportedCertificate | Problem:
    """Start the process and take its answer; it is gone, and reaped, when this returns."""
    try:
        done = subprocess.run(
            command,
            input=question.to_bytes(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            check=False,
            timeout=patience,
        )
    # Without their causes: these exceptions hold what was written and read.
    except subprocess.TimeoutExpired:
        return refusals.TOO_SLOW
    except OSError as error:
        return _failed(f"it cannot be started: {error.strerror}")
    if done.returncode != 0:
        return _of_death(done.returncode)
    try:
        return messages.outcome(done.stdout)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _failed("its answer cannot be understood")


def _of_death(status: int) -> Problem:
    if -status in _SPENT:
        return refusals.TOO_COSTLY
    return _failed(f"it ended with status {status}")


def _failed(how: str) -> Problem:
    logger.error("The process that reads uploads failed: %s.", how)
    return refusals.NOT_READ
