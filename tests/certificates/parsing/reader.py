"""Reads in this process, for speed, and gives out what real programs have written."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

from certificates.parsing import reading
from certificates.parsing.messages import ImportedCertificate
from challenges.problems import Problem, ProblemError, Severity

MATERIAL = Path(__file__).resolve().parents[2] / "material"
# What tests/material/make protects with.
PASSWORD = "secret-1"
# The material is valid then.
NOW = datetime.datetime(2027, 6, 1, tzinfo=datetime.UTC)


def material(name: str) -> bytes:
    """One file of the material."""
    return (MATERIAL / name).read_bytes()


def read(
    files: Sequence[bytes],
    password: str | None = None,
    known_keys: Collection[str] = (),
    now: datetime.datetime | None = None,
) -> ImportedCertificate:
    """In this process, and now unless told otherwise."""
    return reading.read(files, password, known_keys, now or datetime.datetime.now(datetime.UTC))


def refusal(
    files: Sequence[bytes], password: str | None = None, known_keys: Collection[str] = ()
) -> Problem:
    """What the files are refused with."""
    with pytest.raises(ProblemError) as caught:
        read(files, password, known_keys)
    assert caught.value.__cause__ is None
    check_refusal(caught.value.problem)
    return caught.value.problem


def code(
    files: Sequence[bytes], password: str | None = None, known_keys: Collection[str] = ()
) -> str:
    """The code of the refusal."""
    return refusal(files, password, known_keys).code


def outcome(
    read_them: Callable[[list[bytes], str | None], ImportedCertificate],
    files: list[bytes],
    password: str | None,
) -> ImportedCertificate | Problem:
    """What came of it: nothing but these two may."""
    try:
        return read_them(files, password)
    except ProblemError as error:
        check_refusal(error.problem)
        return error.problem


def check_refusal(problem: Problem) -> None:
    """An error of one sentence, with something to do about it."""
    assert problem.severity is Severity.ERROR
    assert problem.remedy
    assert "\n" not in problem.explanation
    assert re.fullmatch(r"[A-Z].*\.", problem.explanation), problem.explanation
    # A second sentence would begin after the first one's full stop.
    assert not re.search(r"[a-z)]\. [A-Z]", problem.explanation), problem.explanation
