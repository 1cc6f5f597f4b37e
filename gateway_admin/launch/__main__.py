"""`run`: the entry of scripts/run and of manage.py run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """A stop that was asked for before everything runs is still a stop that was asked for."""
    raise SystemExit(0)


def _obey_stop_signals() -> None:
    for stop_signal in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(stop_signal) is not signal.SIG_IGN:  # as under nohup
            signal.signal(stop_signal, _stop)


def main(arguments: Sequence[str]) -> int:
    """Start the product; return 1, after one line on standard error, where that cannot be."""
    _obey_stop_signals()
    # Here, so that a signal during the imports is heard already.
    from gateway_admin.launch.errors import LaunchError  # noqa: PLC0415
    from gateway_admin.launch.options import parse  # noqa: PLC0415

    options = parse(arguments)
    from gateway_admin.configuration import ConfigurationError  # noqa: PLC0415
    from gateway_admin.launch.starting import start  # noqa: PLC0415

    try:
        start(options)
    except (LaunchError, ConfigurationError, OSError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
    return 1


if __name__ == "__main__":
    if not __package__:
        # Started by its path: the checkout, not this directory, is where packages are found.
        _here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib is slow)
        _checkout = os.path.dirname(os.path.dirname(_here))  # noqa: PTH120
        sys.path = [_checkout, *(entry for entry in sys.path if entry != _here)]
    raise SystemExit(main(sys.argv[1:]))
