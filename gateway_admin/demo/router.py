"""Plays the owner's router: leads its public port 80 to the challenge port of this machine.

The rule is the one of the first start and stays when the challenge port is changed, as a router's
does. A process of its own, standard library only: `python -m gateway_admin.demo.router PORT RULE`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Sequence

HOST = "127.0.0.1"
# Seconds without a byte in either direction.
IDLE = 30.0
CHUNK = 65536
# Instead of a port, for the fault in which the rule leads to the router itself.
LOGIN_PAGE = "login-page"
PAGE = b"""<!doctype html>
<html lang="en"><title>Router login</title>
<h1>Router</h1>
<form method="post"><label>Password <input type="password" name="password"></label>
<button>Log in</button></form></html>
"""


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Carry one direction until its end, however that comes."""
    with contextlib.suppress(OSError, TimeoutError):
        while data := await asyncio.wait_for(source.read(CHUNK), IDLE):
            target.write(data)
            await target.drain()
        target.write_eof()


def _refuse(writer: asyncio.StreamWriter) -> None:
    """Reset the connection: what a client behind a real router sees when nobody listens."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target_port: int
) -> None:
    """Carry one connection to the challenge port and back."""
    try:
        target_reader, target_writer = await asyncio.open_connection(HOST, target_port)
    except OSError:
        _refuse(writer)
        return
    await asyncio.gather(_pump(reader, target_writer), _pump(target_reader, writer))
    for end in (target_writer, writer):
        end.close()


async def show_login_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer whatever is asked with a page that is no key authorization."""
    # A head that ends early or is too long gets the page nevertheless.
    with contextlib.suppress(
        OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
    ):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE)
    head = f"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n\r\n"
    with contextlib.suppress(OSError):
        writer.write(head.encode() + PAGE)
        await writer.drain()
    writer.close()


async def route(public_port: int, rule: str) -> None:
    """Listen on the public port and follow the rule, a port or LOGIN_PAGE, until cancelled."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if rule == LOGIN_PAGE:
            await show_login_page(reader, writer)
        else:
            await forward(reader, writer, int(rule))

    async with await asyncio.start_server(serve, HOST, public_port) as server:
        await server.serve_forever()


def main(arguments: Sequence[str]) -> None:
    """Run until killed."""
    public_port, rule = arguments
    asyncio.run(route(int(public_port), rule))


if __name__ == "__main__":
    main(sys.argv[1:])
