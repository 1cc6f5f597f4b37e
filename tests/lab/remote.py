"""Calling functions of a program that runs in another network namespace: JSON over a UNIX socket.

A path of the file system is the one thing that all namespaces share.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

from tests.parts.processes import PartError

ANSWERED_WITHIN = 60.0


def serve(path: Path, functions: Mapping[str, Callable[..., object]]) -> None:
    """Answer calls of ``functions``, one after the other, until killed."""
    with Listener(str(path), "AF_UNIX", backlog=16) as listener:
        while True:
            with listener.accept() as connection:
                asked = json.loads(connection.recv_bytes())
                connection.send_bytes(json.dumps(_answer(functions, **asked)).encode())


def _answer(
    functions: Mapping[str, Callable[..., object]], function: str, arguments: dict[str, Any]
) -> dict[str, object]:
    try:
        return {"result": functions[function](**arguments)}
    except Exception:
        return {"error": traceback.format_exc()}


class Remote:
    """The caller's side; ``call`` raises PartError with the other side's traceback."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_there(self) -> bool:
        """Whether the program takes calls."""
        try:
            with Client(str(self.path), "AF_UNIX") as connection:
                connection.send_bytes(b'{"function": "", "arguments": {}}')
                return connection.poll(ANSWERED_WITHIN)
        except OSError:
            return False

    def call(self, function: str, **arguments: object) -> Any:
        """What the function returns, as JSON."""
        with Client(str(self.path), "AF_UNIX") as connection:
            asked = {"function": function, "arguments": arguments}
            connection.send_bytes(json.dumps(asked).encode())
            if not connection.poll(ANSWERED_WITHIN):
                raise PartError(f"{function} in {self.path.stem}: no answer in time.")
            answer = json.loads(connection.recv_bytes())
        if "error" in answer:
            raise PartError(f"{function} in {self.path.stem} failed:\n{answer['error']}")
        return answer["result"]
