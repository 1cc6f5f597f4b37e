"""Readers find a whole pair at every moment, while another process writes on a failing disk."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates.generations import Shelf
from tests.certificates.switching import NAME, sets
from tests.parts.product import CHECKOUT

SOAK_READS = 100_000
SECONDS = 10
FEWEST_READS = 2000
FILES = ("fullchain.pem", "privkey.pem")
Pair = tuple[bytes, ...]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclasses.dataclass
class Writer:
    """The other process."""

    process: subprocess.Popen[str]
    shelf: Shelf

    def stop(self) -> dict[str, int]:
        """How many of its writes ended how."""
        output, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        ended: dict[str, int] = json.loads(output)
        return ended


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A process that switches between two sets, with a fault or a kill in most of its writes."""
    shelf = Shelf(tmp_path, NAME)
    shelf.put("set", sets()[0])
    seed = random.randrange(2**32)
    print(f"Seed of the faults: {seed}")  # noqa: T201
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.certificates.switching", str(tmp_path), str(seed)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Writer(process, shelf)
    finally:
        process.kill()
        process.communicate()


def resolving_once(link: Path) -> Pair:
    """As a careful service reads: both files in the one directory that the link named."""
    directory = os.open(link, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return tuple(_read(name, directory) for name in FILES)
    finally:
        os.close(directory)


def by_path(link: Path) -> Pair:
    """As most services read: one path after the other."""
    return tuple(_read(str(link / name)) for name in FILES)


def _read(path: str, directory: int | None = None) -> bytes:
    descriptor = os.open(path, os.O_RDONLY, dir_fd=directory)
    with open(descriptor, "rb") as stream:  # noqa: PTH123
        return stream.read()


def identity(link: Path) -> tuple[int, int]:
    """Of the link itself, which every switch makes anew: its target may be the same again."""
    about = link.lstat()
    return about.st_ino, about.st_ctime_ns


def is_enough(request: pytest.FixtureRequest, reads: int, begin: float) -> bool:
    """A hundred thousand reads in a soak, else what fits into ten seconds."""
    if request.config.getoption("--soak", default=False):
        return reads >= SOAK_READS
    is_over = reads >= FEWEST_READS and time.monotonic() - begin > SECONDS
    return reads >= SOAK_READS or is_over


@pytest.mark.parametrize("read", [resolving_once, by_path])
def test_no_reader_ever_finds_an_empty_a_half_or_a_missing_file(
    request: pytest.FixtureRequest, writer: Writer, read: Callable[[Path], Pair]
) -> None:
    """Through one resolved directory the files also belong together.

    A reader that is slower than three whole switches finds the directory that it began with
    removed, and begins again.
    """
    link = writer.shelf.link
    whole = [tuple(files[name] for name in FILES) for files in sets()]
    seen: set[Pair] = set()
    reads, begin = 0, time.monotonic()
    while not is_enough(request, reads, begin):
        before = identity(link)
        try:
            pair = read(link)
        except FileNotFoundError:
            assert identity(link) != before, "the files in use are missing"
            continue
        reads += 1
        assert all(pair[at] in {one[at] for one in whole} for at in range(len(FILES)))
        if read is resolving_once:
            assert pair in whole
        seen.add(pair)
    ended = writer.stop()
    assert set(whole) <= seen, "nothing was switched while this read"
    assert min(ended[how] for how in ("written", "failed", "killed")) > 10, ended


def test_the_pairs_that_are_told_apart_are_different() -> None:
    one, other = sets()
    assert all(one[name] != other[name] for name in FILES)
