"""The embedded broker: Kombu's filesystem transport with messages that are never half there.

Kombu writes a message in place, so that a reader may take an empty or partial one and the worker
ends with a decoding error; it moves taken messages through the machine's common temporary folder;
and it shares a table of bindings in a file that two processes write over each other. Here messages
come and go by renames inside the data directory, and there is no shared table: our queues are
direct ones, which every process declares for itself. The folder may be wiped at any moment.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import OperationalError
from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger("gateway_admin.broker")

SUFFIX = ".msg"
# Nobody waits for an older message: every sweep says again what is to be done. What is found
# that old was mostly sent by a worker to itself, shortly before it was killed.
STALE_AFTER = 60 * 60  # seconds


class Channel(filesystem.Channel):
    """One message is one file, named so that the oldest sorts first."""

    supports_fanout = False
    # The bindings of this process, as for every transport that keeps no table of its own.
    get_table = virtual.Channel.get_table  # type: ignore[assignment]
    _delete = virtual.Channel._delete

    # Kombu's own two signatures of this method differ.
    def _put(  # type: ignore[override]
        self, queue: str, payload: dict[str, Any], **kwargs: Any
    ) -> None:
        folder = Path(self.data_folder_out)
        name = f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}{SUFFIX}"
        unfinished = folder / f".{name}"
        try:
            # Somebody may have wiped the broker: all that matters is in the database.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_text(dumps(payload))
            unfinished.replace(folder / name)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise OperationalError(f"The message cannot be written: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        folder = Path(self.data_folder_in)
        for name in sorted(_names(folder, queue)):
            taken = folder / f".taken-{uuid.uuid4().hex}"
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:
                # Another consumer was faster.
                continue
            message = _read(taken)
            if message is not None:
                return message
        raise Empty

    def basic_consume(self, queue: str, *arguments: Any, **options: Any) -> Any:
        """Begin to take messages; first throw away what nobody has taken."""
        _drop_stale(Path(self.data_folder_in))
        return super().basic_consume(queue, *arguments, **options)

    def _size(self, queue: str) -> int:
        return len(_names(Path(self.data_folder_in), queue))


def _drop_stale(folder: Path) -> None:
    oldest = time.time() - STALE_AFTER
    # Those of all queues, the half taken and the half written ones.
    for path in _files(folder):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.is_file()]
    return []


def _names(folder: Path, queue: str) -> list[str]:
    ending = f".{queue}{SUFFIX}"
    with contextlib.suppress(FileNotFoundError):
        return [
            path.name
            for path in folder.iterdir()
            if path.name.endswith(ending) and not path.name.startswith(".")
        ]
    return []


def _read(taken: Path) -> dict[str, Any] | None:
    """The message; None for one that a power cut left unreadable, since the sweep repeats it."""
    try:
        message: dict[str, Any] = loads(taken.read_text())
    except ValueError:
        logger.warning("An unreadable message was dropped; the next sweep repeats what it said.")
        return None
    finally:
        taken.unlink(missing_ok=True)
    return message


class Transport(filesystem.Transport):
    """Kombu's transport with that channel."""

    Channel = Channel
