"""From the command line to the supervisor: everything `run` does before it execs into that.

Nothing is changed before it is known that the data directory is ours, writable and of this version.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path

from gateway_admin.launch import addresses, holding, programs, supervisor_conf
from gateway_admin.launch.addresses import Address
from gateway_admin.launch.announcer import Arguments
from gateway_admin.launch.errors import LaunchError
from gateway_admin.launch.options import Options

CHECKOUT = Path(__file__).resolve().parents[2]
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# supervisord closes all descriptors but the first few, its programs all but the first three:
# so this one is held by the supervisor and by nobody else.
LOCK_DESCRIPTOR = 3


def start(options: Options) -> None:
    """Become the supervisor of the product; returns only by raising.

    Raises LaunchError or ConfigurationError, whose text is for the terminal, and OSError.
    """
    data_dir = _data_directory(options)
    address = Address(options.host, options.port)
    os.umask(0o077)
    holding.prepare(data_dir)
    lock = holding.lock(data_dir)
    holding.wait_for_leftovers(data_dir)
    addresses.check_free(address)
    # Here, because Django's settings read the data directory when they are imported, and because
    # it may only be read while it is ours.
    from gateway_admin.launch import readying  # noqa: PLC0415

    readied = readying.ready(options, address)
    address = dataclasses.replace(address, tls=readied.tls)
    arguments = Arguments(
        url=address.url,
        connect_host=address.connect_host,
        port=address.port,
        data_dir=data_dir,
        demo=readied.demo,
    )
    everything = (
        *programs.product(address.bind, tls=address.tls),
        *readied.programs,
        programs.ready_line(arguments),
    )
    configuration = _write_configuration(data_dir, supervisor_conf.text(everything))
    os.environ.update(readied.environment)
    _warn(address, readied.fingerprint)
    _become_supervisor(configuration, lock)


def _data_directory(options: Options) -> Path:
    chosen = options.data_dir or Path(os.environ.get("GATEWAY_ADMIN_DATA_DIR") or "data")
    data_dir = chosen.absolute()
    if not str(data_dir).isprintable():
        # It goes into configuration files, one of them with a line for each setting.
        raise LaunchError(f"The data directory's name must be printable text: {data_dir!a}.")
    os.environ["GATEWAY_ADMIN_DATA_DIR"] = str(data_dir)
    return data_dir


def _warn(address: Address, fingerprint: str) -> None:
    """Say what is not safe about the console's address; ``fingerprint`` is a self-signed one's."""
    if fingerprint:
        sys.stderr.write(
            "Warning: the console's certificate is self-signed, so browsers do not trust it. Go on "
            f"only if yours shows this SHA-256 fingerprint: {fingerprint}\n"
        )
    elif not address.tls and not address.is_loopback:
        sys.stderr.write(
            f"Warning: the console can be reached from other machines ({address.bind}) and "
            "passwords cross the network in the clear: start it with --tls, or put a proxy with "
            "TLS in front of it.\n"
        )
    sys.stderr.flush()


def _write_configuration(data_dir: Path, text: str) -> Path:
    directory = data_dir / "run"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / "supervisord.conf"
    path.write_text(text)
    return path


def _become_supervisor(configuration: Path, lock: int) -> None:
    """Exec, keeping process id, lock and terminal, and losing no signal on the way."""
    os.chdir(CHECKOUT)  # where the programs find the product's packages
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    if lock == LOCK_DESCRIPTOR:
        os.set_inheritable(lock, True)
    else:
        os.dup2(lock, LOCK_DESCRIPTOR, inheritable=True)
    module = "gateway_admin.launch.supervising"
    os.execv(sys.executable, (sys.executable, "-m", module, str(configuration)))
