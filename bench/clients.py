"""Other ACME clients to compare with, each in a place of its own: certbot and uacme.

certbot comes from the package index into a virtual environment below the given directory, uacme
from Debian. Each is run as its users run it, with its account registered beforehand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

EMAIL = "measure@example.test"
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Client(Protocol):
    """Obtains certificates, one order at a time."""

    name: str

    def obtain(self, names: Sequence[str]) -> None:
        """One certificate with all the names; raises CalledProcessError when it fails."""
        ...


class Certbot:
    """certbot's standalone mode: it answers its challenges itself."""

    name = "certbot"

    def __init__(self, directory: Path, url: str, bundle: Path, http_port: int) -> None:
        self._directory = directory
        program = _certbot(directory)
        self._command = [
            str(program),
            *("--non-interactive", "--agree-tos", "--email", EMAIL, "--server", url),
            *(part for folder in ("config", "work", "logs") for part in _folder(directory, folder)),
        ]
        self._port = http_port
        self._env = os.environ | {"REQUESTS_CA_BUNDLE": str(bundle)}
        self._run("register")

    def obtain(self, names: Sequence[str]) -> None:
        """A new lineage each time, so that it never asks whether to renew."""
        domains = [part for name in names for part in ("-d", name)]
        self._run(
            *("certonly", "--standalone", "--http-01-port", str(self._port)),
            *("--key-type", "ecdsa", "--force-renewal", "--cert-name", names[0], *domains),
        )

    def _run(self, *arguments: str) -> None:
        _checked([*self._command, *arguments], self._env)


class Uacme:
    """uacme with a hook that puts the answer where a web server finds it."""

    name = "uacme"

    def __init__(self, directory: Path, url: str, bundle: Path, webroot: Path) -> None:
        program = shutil.which("uacme") or _installed_uacme()
        hook = directory / "hook.sh"
        hook.write_text(
            "#!/bin/sh\n"
            '[ "$2" = http-01 ] || exit 1\n'
            f'file="{webroot}/$4"\n'
            'case "$1" in\n'
            '  begin) printf %s "$5" > "$file" ;;\n'
            '  *) rm -f "$file" ;;\n'
            "esac\n"
        )
        hook.chmod(0o700)
        # It trusts what the system trusts, so it gets a system of its own that trusts the test CA.
        inside = f'mount --bind "{bundle}" {SYSTEM_BUNDLE} && exec "$@"'
        self._command = [
            *("unshare", "--mount", "--map-root-user", "sh", "-c", inside, "sh"),
            *(program, "--acme-url", url, "--confdir", str(directory / "conf"), "--yes"),
            *("--type", "EC", "--no-ocsp", "--hook", str(hook)),
        ]
        _checked([*self._command, "new", EMAIL], os.environ)

    def obtain(self, names: Sequence[str]) -> None:
        """Forced, because it would keep a certificate that is young."""
        _checked([*self._command, "--force", "issue", *names], os.environ)


def _installed_uacme() -> str:
    done = subprocess.run(
        ["apt-get", "install", "--yes", "--quiet=2", "uacme"], capture_output=True, check=False
    )
    program = shutil.which("uacme")
    if program is None:
        raise SystemExit(f"uacme could not be installed: {done.stderr.decode(errors='replace')}")
    return program


def _certbot(directory: Path) -> Path:
    environment = directory / "venv"
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = environment / "bin" / "pip"
        subprocess.run([str(pip), "install", "--quiet", "--quiet", "certbot"], check=True)
    return environment / "bin" / "certbot"


def _folder(directory: Path, name: str) -> tuple[str, str]:
    return f"--{name}-dir", str(directory / name)


def _checked(command: Sequence[str], env: os._Environ[str] | dict[str, str]) -> None:
    done = subprocess.run(
        command, env=dict(env), capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} … failed:\n{done.stdout}{done.stderr}")
