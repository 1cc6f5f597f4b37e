"""The proxy's connections to the CA: kept and reused, so that a request costs no handshake."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from tests.parts.faulty_ca.wire import Answer, Request, read_answer

HOST = "127.0.0.1"

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Upstream:
    """The CA behind the proxy. Raises OSError and IncompleteReadError where it is not there."""

    def __init__(self, port: int, bundle: Path) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=bundle)
        self._idle: list[_Connection] = []

    async def ask(self, request: Request) -> Answer:
        """The CA's answer."""
        while self._idle:
            try:
                return await self._ask(self._idle.pop(), request)
            except (OSError, asyncio.IncompleteReadError):
                # The CA has closed it or was restarted, and then it remembers nothing: whatever
                # it may have made of the request is gone.
                continue
        opened = await asyncio.open_connection(HOST, self._port, ssl=self._context)
        return await self._ask(opened, request)

    def drop(self) -> None:
        """Close what is kept."""
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle.clear()

    async def _ask(self, connection: _Connection, request: Request) -> Answer:
        reader, writer = connection
        try:
            writer.write(request.to_bytes())
            answer = await read_answer(reader, request.method)
        except BaseException:
            writer.transport.abort()
            raise
        self._idle.append(connection)
        return answer
