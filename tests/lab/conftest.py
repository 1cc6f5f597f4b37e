"""The lab, once for each process that runs its tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.stage import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Started. Its directory has a short path, as the addresses of UNIX sockets must."""
    with tempfile.TemporaryDirectory(prefix="lab-") as directory, Lab(Path(directory)) as started:
        yield started
