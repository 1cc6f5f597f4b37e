"""HTTPS for servers under test, by the same small CA that the demonstration uses."""

from __future__ import annotations

from pathlib import Path

from gateway_admin.demo import https


class HttpsAuthority:
    """``files`` has a server's certificate and key; ``bundle`` is what its clients must trust."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.files = https.ensure(directory)
        self.bundle = self.files.ca
