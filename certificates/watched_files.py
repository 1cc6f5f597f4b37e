"""What is in the files that are followed: their state and contents, within the owner's bounds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence

from django.conf import settings

from certificates import confined_files
from certificates.confined_files import Bounds, NotReadError, OutsideError
from certificates.patience import Asker
from challenges.problems import Problem, ProblemError, Severity

LONGEST_PATH = 1000
VARIABLE = "GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES"


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """Which files to look at; their contents are wanted unless they are as ``known`` says."""

    paths: tuple[str, ...]
    bounds: Bounds
    known: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """The files' state in short, and either their contents, or why there are none."""

    signature: str
    contents: tuple[bytes, ...] = dataclasses.field(default=(), repr=False)
    problem: Problem | None = None
    is_unchanged: bool = False


def bounds() -> Bounds:
    """Where files may be followed: the owner's word, except for what is this console's own."""
    configuration = settings.CONFIGURATION
    return Bounds(configuration.certificate_directories, (configuration.data_dir,))


def paths_of(certificate_path: str, key_path: str) -> tuple[str, ...]:
    """Both, or the one where the key is in the certificate's file. Raises ProblemError."""
    paths = (certificate_path, key_path) if key_path else (certificate_path,)
    for path in paths:
        if not (path.startswith("/") and len(path) <= LONGEST_PATH and path.isprintable()):
            raise ProblemError(_unusable_path())
    return paths


def look(questions: Mapping[int | str, Question]) -> Iterator[tuple[int | str, Seen]]:
    """The answer to each question, in whatever order. Files on a disk that does not answer are
    a problem after some seconds, and keep nobody else waiting."""
    for key, seen in _asker.answers(questions):
        yield key, seen or Seen("", problem=_silent(questions[key].paths))


def see(question: Question) -> Seen:
    """Look at them without patience: to be called in a thread that may hang."""
    for path in question.paths:
        if not question.bounds.hold(os.path.normpath(path)):
            # Not even whether it is there is looked at: that may wait for a file server.
            error = OutsideError("is not below them")
            return Seen(
                _signature("", question.bounds), problem=_not_read(path, error, question.bounds)
            )
    told = _signature(confined_files.state(question.paths), question.bounds)
    if told == question.known:
        return Seen(told, is_unchanged=True)
    read: list[tuple[str, bytes]] = []
    for path in question.paths:
        try:
            read.append(confined_files.read(path, question.bounds))
        except NotReadError as error:
            return Seen(told, problem=_not_read(path, error, question.bounds))
    # Of the very files that were read, which may have been others a moment before.
    told = _signature(" ".join(state for state, _ in read), question.bounds)
    return Seen(told, tuple(content for _, content in read))


_asker: Asker[int | str, Question, Seen] = Asker(see)


def _signature(state: str, within: Bounds) -> str:
    """In short. What the owner allows is a part of it: after a change all is looked at anew."""
    return hashlib.sha256(f"{state} {within}".encode()).hexdigest()


def _not_read(path: str, error: NotReadError, within: Bounds) -> Problem:
    if isinstance(error, OutsideError):
        return _not_allowed(path, error, within)
    return _problem(
        "followed-files-unreadable",
        f"The file {path} {error}.",
        "Check that the file is there, and that the user of Gateway Admin may read it and enter "
        "its directories.",
    )


def _not_allowed(path: str, error: OutsideError, within: Bounds) -> Problem:
    named = " and ".join(str(directory) for directory in within.allowed)
    where = (
        f"Only files below {named} may be followed; {path} {error}."
        if named
        else f"No directory is set up whose files may be followed, so {path} is not read."
    )
    return _problem(
        "followed-files-not-allowed",
        where,
        *(["Choose a file that is below one of these directories, links included."] * bool(named)),
        f"{'Or have' if named else 'Have'} the owner of this machine name its directory in the "
        f"line {VARIABLE}=/DIRECTORY,… of the file gateway-admin.env in the data directory, and "
        "restart Gateway Admin. It cannot be changed on these pages.",
    )


def _silent(paths: Sequence[str]) -> Problem:
    return _problem(
        "followed-files-not-answering",
        f"The disk or file server of {' and '.join(paths)} does not answer.",
        "Check the disk, or the connection to the file server; the files are looked at again by "
        "themselves.",
    )


def _unusable_path() -> Problem:
    return _problem(
        "followed-path-unusable",
        "A file that is to be followed must be named by its whole path.",
        "Enter a path that begins with a slash, such as "
        "/etc/letsencrypt/live/mail.example.com/fullchain.pem.",
    )


def _problem(code: str, explanation: str, *steps: str) -> Problem:
    return Problem(
        code=code, severity=Severity.ERROR, explanation=explanation, remedy=steps, retryable=True
    )
