"""How an answer leaves the proxy: whole, or hurt on the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from tests.parts.faulty_ca.faults import Delivery
from tests.parts.faulty_ca.wire import Answer

# SO_LINGER on and zero seconds: closing sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def deliver(
    answer: Answer,
    delivery: Delivery,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    has_body: bool,
    pause: float,
) -> bool:
    """Send it like that; returns whether the connection can be used further. Raises OSError."""
    head, body = answer.head_bytes(), answer.body if has_body else b""
    match delivery:
        case Delivery.WHOLE:
            writer.write(head + body)
            await writer.drain()
            return True
        case Delivery.TRICKLED:
            await _trickle(head, body, writer, pause)
            return True
        case Delivery.TRUNCATED:
            # Without a body it is the head that ends in the middle.
            writer.write(head + body[: len(body) // 2] if body else head[: len(head) // 2])
            await writer.drain()
        case Delivery.STALLED:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_gone(reader), pause or None)
        case Delivery.RESET:
            _reset(writer)
        case Delivery.CLOSED:
            pass
    return False


async def _gone(reader: asyncio.StreamReader) -> None:
    """Until the client has gone; whatever else it sends is thrown away."""
    while await reader.read(65536):
        pass


async def _trickle(head: bytes, body: bytes, writer: asyncio.StreamWriter, pause: float) -> None:
    writer.write(head)
    for byte in body:
        await writer.drain()
        await asyncio.sleep(pause)
        writer.write(bytes((byte,)))
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    client = writer.get_extra_info("socket")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
