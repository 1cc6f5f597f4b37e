"""Gunicorn's configuration for a console that may have to speak HTTPS itself.

Without GATEWAY_ADMIN_CONSOLE_CERTIFICATE it changes nothing. The rest is on the command line. The
master, which never serves, loads cryptography only to make the first certificate.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from typing import Any

from gateway_admin import configuration

_loaded = configuration.load()


def _names(config: Any) -> tuple[str, ...]:
    from gateway_admin.launch import self_signed  # noqa: PLC0415

    bound = [address[0] for address in config.address if isinstance(address, tuple)]
    return self_signed.names(_loaded.allowed_hosts, bound)


if _loaded.console_certificate:
    # Has gunicorn speak TLS and is there in any case; ssl_context() says what is really shown.
    certfile = keyfile = str(_loaded.console_certificate_file)

    def on_starting(server: Any) -> None:
        """Make the self-signed certificate before gunicorn looks for its file."""
        if _loaded.console_certificate_file.exists():
            return
        from gateway_admin.launch import self_signed  # noqa: PLC0415

        now = datetime.datetime.now(datetime.UTC)
        self_signed.ensure(_loaded.console_certificate_file, _names(server.cfg), now)

    def post_fork(server: Any, _worker: Any) -> None:
        """Tell a worker what it serves with."""
        from gateway_admin.launch import console_tls  # noqa: PLC0415

        console_tls.serve_with(console_tls.of(_loaded, _names(server.cfg)))

    def ssl_context(_config: Any, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """For every connection, so that a new certificate is in use at once."""
        from gateway_admin.launch import console_tls  # noqa: PLC0415

        return console_tls.context()
