"""Issues for the default gateway and says on standard error which request is about to be sent."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from django.core.management import call_command

from certificates.authority.transport import Transport

STANDARD_ERROR = 2


def main() -> None:
    """Issue, with a line before each request: a trace shows only what TLS has made of it."""
    send = Transport.send

    def announced(self: Transport, method: str, url: str, *rest: Any, **options: Any) -> Any:
        os.write(STANDARD_ERROR, f"sending {method} {url}\n".encode())
        return send(self, method, url, *rest, **options)

    Transport.send = announced  # type: ignore[method-assign]
    call_command("issue", "--wait", "--json")


if __name__ == "__main__":
    main()
