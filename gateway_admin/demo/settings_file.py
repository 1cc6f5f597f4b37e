"""demo.env, the file in the data directory that keeps the demo's settings.

The product reads it as it reads its owner's file, so every command finds the demo's CA; and a
directory that has one is a demo for good.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway_admin.configuration import DEMO_FILE, read_env_file

HEADING = """\
# The settings of the demonstration in this directory, written by `run --demo` at each start.
# gateway-admin.env and the environment win over what is here.
"""


def is_demo(data_dir: Path) -> bool:
    """Whether the directory belongs to a demo."""
    return (data_dir / DEMO_FILE).exists()


def read(data_dir: Path) -> Mapping[str, str]:
    """What is kept; empty before the first start. Raises ConfigurationError for a broken file."""
    return read_env_file(data_dir / DEMO_FILE)


def write(data_dir: Path, values: Mapping[str, str]) -> None:
    """Replace the file, never half; raises OSError."""
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    replace(data_dir / DEMO_FILE, HEADING + lines)


def replace(path: Path, text: str) -> None:
    """Write a file of ours that is there completely or not at all; raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
