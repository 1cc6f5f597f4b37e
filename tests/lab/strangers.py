"""Servers that are not ours, each on a port of its own: what the internet has on port 80 instead.

Run as `python -m tests.lab.strangers`; each is on the port that ``PORTS`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import sys
from functools import partial

_END = b"\r\n\r\n"
# Beyond what the preflight waits for, and short of what a CA does.
_HELD = 4.0


class Stranger(enum.StrEnum):
    """How a server behaves towards a request for a challenge."""

    LOGIN_PAGE = "the login page of a router"
    PARKING_PAGE = "a page for every path"
    NOT_FOUND = "an error page"
    CDN = "a content delivery network"
    BLOCKED = "a content delivery network that refuses robots"
    AUTHENTICATION = "a demand for a password"
    MAINTENANCE = "an error of its own"
    TO_HTTPS = "a redirect to HTTPS"
    TO_ELSEWHERE = "a redirect to another host"
    TO_OTHER_PORT = "a redirect to another port"
    TO_ITSELF = "a redirect to itself"
    PORTAL = "a redirect to a captive portal"
    OTHER_TOKEN = "the answer of another ACME client"
    OLD_CA = "a CA whose clock shows another time"
    SSH = "another protocol"
    HANGS_UP = "an end of the connection"
    SAYS_NOTHING = "an open connection and nothing else"


PORTS = {stranger: 7000 + number for number, stranger in enumerate(Stranger)}
_ANSWERS = {
    Stranger.LOGIN_PAGE: (
        "200 OK",
        "Server: httpd\r\nContent-Type: text/html",
        "<html><head><title>Router login</title></head><form><input type=password></form></html>",
    ),
    Stranger.PARKING_PAGE: (
        "200 OK",
        "Server: Apache/2.4.62\r\nContent-Type: text/html",
        "<html><h1>This domain is parked.</h1></html>",
    ),
    Stranger.NOT_FOUND: (
        "404 Not Found",
        "Server: Apache/2.4.62 (Debian)\r\nContent-Type: text/html",
        "<html><h1>Not Found</h1></html>",
    ),
    Stranger.CDN: (
        "404 Not Found",
        "Server: cloudflare\r\nCF-RAY: 8f0a1b2c3d4e5f60-FRA\r\nContent-Type: text/html",
        "<html><h1>Not Found</h1></html>",
    ),
    Stranger.BLOCKED: (
        "403 Forbidden",
        "Server: cloudflare\r\nCF-RAY: 8f0a1b2c3d4e5f61-FRA\r\nContent-Type: text/html",
        "<html><title>Attention Required! | Cloudflare</title></html>",
    ),
    Stranger.AUTHENTICATION: ("401 Unauthorized", 'WWW-Authenticate: Basic realm="nas"', "401"),
    Stranger.MAINTENANCE: ("503 Service Unavailable", "Retry-After: 60", "Down for maintenance"),
    Stranger.TO_HTTPS: ("301 Moved Permanently", "Location: https://{host}{path}", ""),
    Stranger.TO_ELSEWHERE: ("302 Found", "Location: http://www.elsewhere-kontor.de{path}", ""),
    Stranger.TO_OTHER_PORT: ("302 Found", "Location: http://{host}:8080{path}", ""),
    Stranger.TO_ITSELF: ("302 Found", "Location: http://{host}{path}", ""),
    Stranger.PORTAL: ("302 Found", "Location: http://login.hotel-portal.net/?url={path}", ""),
    Stranger.OLD_CA: (
        "200 OK",
        "Date: Mon, 05 Jan 2026 12:00:00 GMT\r\nContent-Type: application/json",
        '{{"newNonce": "https://ca/n", "newAccount": "https://ca/a", "newOrder": "https://ca/o"}}',
    ),
    Stranger.OTHER_TOKEN: (
        "200 OK",
        "Content-Type: text/plain",
        "{token}.AnotherClientsThumbprint",
    ),
}


async def _serve(
    stranger: Stranger, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        if stranger is Stranger.SSH:
            writer.write(b"SSH-2.0-OpenSSH_9.7\r\n")
            await writer.drain()
        head = (await reader.readuntil(_END)).decode("latin-1")
        if stranger is Stranger.SAYS_NOTHING:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), _HELD)
        if stranger in _ANSWERS:
            writer.write(_answer(stranger, head))
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


def _answer(stranger: Stranger, head: str) -> bytes:
    path = head.split(" ")[1]
    lines = (line.partition(":") for line in head.splitlines())
    host = next((value for name, _colon, value in lines if name.lower() == "host"), "").strip()
    facts = {"path": path, "host": host.partition(":")[0], "token": path.rpartition("/")[2]}
    status, headers, body = (text.format(**facts) for text in _ANSWERS[stranger])
    length = f"Content-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{headers}\r\n{length}\r\n\r\n{body}".encode()


async def main() -> None:
    """All of them, until killed. On the ports of a router's own there is its login page as well."""
    for stranger, port in PORTS.items():
        await asyncio.start_server(partial(_serve, stranger), None, port)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
