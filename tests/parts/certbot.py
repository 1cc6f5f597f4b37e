"""The real certbot, which makes the directories that are taken over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.parts.pebble import Pebble, TestAuthorities
from tests.parts.processes import PartError


class Certbot:
    """One configuration directory at one ACME server; answers challenges itself meanwhile."""

    def __init__(self, directory: Path, server: Pebble, authorities: TestAuthorities) -> None:
        self.directory = directory / "letsencrypt"
        self._rest = directory
        self._server = server
        self._authorities = authorities

    def obtain(self, *names: str, key_type: str = "ecdsa") -> None:
        """A new lineage, called like the first name; the first makes the account."""
        named = [part for name in names for part in ("--domain", name)]
        self._run("certonly", "--key-type", key_type, "--cert-name", names[0], *named)

    def renew(self, name: str) -> None:
        """A new version of the lineage."""
        self._run("renew", "--force-renewal", "--no-random-sleep-on-renew", "--cert-name", name)

    @property
    def account_url(self) -> str:
        """As the CA has named it, in certbot's own words."""
        shown = self._run("show_account")
        (line,) = [line for line in shown.splitlines() if "Account URL:" in line]
        return line.partition("Account URL:")[2].strip()

    def _run(self, command: str, *more: str) -> str:
        challenged = (
            "--standalone",
            "--http-01-address=127.0.0.1",
            f"--http-01-port={self._authorities.http_port}",
        )
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("certbot"), command, "--non-interactive"),
                *("--config-dir", self.directory),
                *("--work-dir", self._rest / "work", "--logs-dir", self._rest / "logs"),
                *("--server", self._server.directory_url),
                *("--agree-tos", "--email", "postmaster@example.com", "--no-eff-email"),
                *(() if command == "show_account" else challenged),
                *more,
            ],
            env=os.environ | {"REQUESTS_CA_BUNDLE": str(self._authorities.https.bundle)},
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if done.returncode != 0:
            raise PartError(f"certbot {command} failed: {done.stdout}{done.stderr}")
        return done.stdout
