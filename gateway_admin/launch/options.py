"""The options of `run`, for scripts/run and manage.py alike. Standard library only."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8443
DESCRIPTION = (
    "Start Gateway Admin: console, challenge responder and worker, in the foreground until Ctrl-C."
)


class Fault(enum.StrEnum):
    """What `--demo-fault` breaks in the demo's surroundings."""

    CLOSED_PORT = "closed-port"
    WRONG_TARGET = "wrong-target"
    NO_DNS = "no-dns"
    CAA = "caa"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line; ``data_dir`` is None when not given."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    data_dir: Path | None = None
    demo: bool = False
    fault: Fault | None = None
    tls: bool = False


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    message = f"{text!r} is not a port: a whole number from 1 to 65535 is needed"
    raise argparse.ArgumentTypeError(message)


def add_arguments(parser: argparse.ArgumentParser, *, with_data_dir: bool = True) -> None:
    """Declare the options; manage.py takes ``--data-dir`` before any command sees it."""
    parser.add_argument(
        "--host",
        default=DEFAULT_HOST,
        help="address the console listens on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="port the console listens on (default: %(default)s)",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="speak HTTPS, with a self-signed certificate unless GATEWAY_ADMIN_CONSOLE_CERTIFICATE "
        "names a gateway whose certificate to use",
    )
    if with_data_dir:
        parser.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="where database, secrets and certificates are kept "
            "(default: GATEWAY_ADMIN_DATA_DIR, else ./data)",
        )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="bring a local ACME test CA, DNS server and router: needs no domain, no internet",
    )
    parser.add_argument(
        "--demo-fault",
        choices=[fault.value for fault in Fault],
        help="with --demo: break the surroundings on purpose, to see a staging test fail",
    )


def parse(arguments: Sequence[str], prog: str = "run") -> Options:
    """Read the command line; wrong usage ends the process with status 2, --help with 0."""
    parser = argparse.ArgumentParser(prog=prog, description=DESCRIPTION, allow_abbrev=False)
    add_arguments(parser)
    values = parser.parse_args(arguments)
    if values.demo_fault and not values.demo:
        parser.error("--demo-fault needs --demo")
    return Options(
        host=values.host,
        port=values.port,
        data_dir=values.data_dir,
        demo=values.demo,
        fault=Fault(values.demo_fault) if values.demo_fault else None,
        tls=values.tls,
    )
