"""What a container asks about itself, as `main` lists it; status 0 is healthy.

A container is healthy while its own process works, whatever the state of the others: /healthz,
which speaks for all of them, would have the console restarted because the worker is down.
"""

from __future__ import annotations

import http.client
import ssl
import sys

from certificates.policy.health import AHEAD, SILENT_AFTER

PATIENCE_SECONDS = 4


def answers(port: int, path: str, *, tls: bool = False) -> bool:
    """Whether the server on this port answers GET ``path`` with anything but a server error."""
    connection = (_https if tls else http.client.HTTPConnection)(
        "127.0.0.1", port, timeout=PATIENCE_SECONDS
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _https(host: str, port: int, timeout: float) -> http.client.HTTPSConnection:
    """Without looking at the certificate, which is for other names than this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def console_speaks_https() -> bool:
    """Whether the configuration says so."""
    from gateway_admin import configuration  # noqa: PLC0415

    try:
        return bool(configuration.load().console_certificate)
    except configuration.ConfigurationError:
        return False


def beats(part: str) -> bool:
    """Whether the part (worker, beat) has lately given a sign of life in the database."""
    import os  # noqa: PLC0415

    import django  # noqa: PLC0415
    from django.db import DatabaseError  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")
    django.setup()
    # Models can be imported only now; the check by HTTP needs none of it.
    from django.utils import timezone  # noqa: PLC0415

    from certificates.models import Heartbeat  # noqa: PLC0415

    # One from further ahead was written by a wrong clock.
    counting = (timezone.now() - SILENT_AFTER, timezone.now() + AHEAD)
    try:
        return Heartbeat.objects.filter(component=part, seen_at__range=counting).exists()
    except DatabaseError:
        return False


def main(arguments: list[str]) -> int:
    """0 healthy, 1 not, 2 wrong usage."""
    match arguments:
        case ["http", port, path] if port.isdigit():
            healthy = answers(int(port), path)
        case ["console", port, path] if port.isdigit():
            healthy = answers(int(port), path, tls=console_speaks_https())
        case ["heartbeat", ("worker" | "beat") as part]:
            healthy = beats(part)
        case _:
            sys.stderr.write("usage: healthcheck http|console PORT PATH | heartbeat worker|beat\n")
            return 2
    if not healthy:
        sys.stderr.write(f"not healthy: {' '.join(arguments)}\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
