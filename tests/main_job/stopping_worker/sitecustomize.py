"""Found by every Python program with this folder in PYTHONPATH: a worker that stops at milestones.

In the folder that MILESTONES_ORDERED_IN names, a file with a milestone's name has the worker's
next thread that gets there stop for good, and `kill-` before the name has the whole worker die.
The file is taken away; one called `reached-` and the name says that the thread stands there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path


def install(folder: Path) -> None:
    """Have the worker that is about to be started obey."""
    # No Django is needed for it, nor for the package that it is in.
    from certificates import milestones  # noqa: PLC0415

    def taken(order: Path) -> bool:
        try:
            order.unlink()
        except FileNotFoundError:
            return False
        return True

    def observe(name: str) -> None:
        file = name.replace(":", "-")
        if taken(folder / f"kill-{file}"):
            os.kill(os.getpid(), signal.SIGKILL)
        if taken(folder / file):
            (folder / f"reached-{file}").touch()
            threading.Event().wait()

    milestones.observer = observe


if "gateway_admin.worker" in sys.orig_argv:
    # Where the worker's own folder comes first in the path only later.
    sys.path.insert(0, os.environ["CHECKOUT"])
    install(Path(os.environ["MILESTONES_ORDERED_IN"]))
