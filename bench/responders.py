"""Programs that answer HTTP-01 challenges, each as its users run it: ours, and what else there is.

All serve one token: nginx and Caddy from a file, the server of certbot's standalone mode and
Django under gunicorn from what they hold.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.challenges.conftest import AUTHORIZATION, TOKEN, environment
from tests.parts.processes import Process, answers, find_program, free_port
from tests.parts.product import CHECKOUT

PREFIX = "/.well-known/acme-challenge"
KNOWN = f"{PREFIX}/{TOKEN}"
UNKNOWN = f"{PREFIX}/{'u' * len(TOKEN)}"
NGINX = """
worker_processes auto;
worker_rlimit_nofile 20000;
daemon off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {directory}/webroot;
    location {prefix}/ {{ default_type application/octet-stream; }}
    location / {{ return 404; }}
  }}
}}
"""
CADDY = """
{{
  admin off
  auto_https off
  log {{
    level ERROR
  }}
}}
http://127.0.0.1:{port} {{
  handle {prefix}/* {{
    root * {directory}/webroot
    file_server
  }}
  respond 404
}}
"""


@dataclasses.dataclass(frozen=True)
class Responder:
    """A running program, and where it serves the token."""

    name: str
    process: Process
    port: int

    def url(self, path: str) -> str:
        """What is asked for."""
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """End it."""
        self.process.stop()


def ours(directory: Path, database_url: str = "") -> Responder:
    """`python -m challenges` on SQLite, or on the database given."""
    process, port = _challenges(directory, database_url, [sys.executable, "-m", "challenges"])
    return _ready(Responder(f"ours, {_database(database_url)}", process, port))


def django(directory: Path) -> Responder:
    """The same view under plain gunicorn: Django and one look at SQLite for each request."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "challenges.wsgi:application", "--no-control-socket"),
        *("--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class", "gthread"),
        *("--threads", "4", "--log-level", "error"),
    ]
    process, _ = _challenges(directory, "", command)
    return _ready(Responder("gunicorn with Django, SQLite", process, port))


def standalone(directory: Path) -> Responder:
    """What certbot answers with when it runs without a web server."""
    port = free_port()
    command = [sys.executable, "-m", "bench.standalone", str(port)]
    return _ready(Responder("acme.standalone", _process(directory, command), port))


def nginx(directory: Path) -> Responder:
    """A file, without a log."""
    port, file = free_port(), _written(directory, "nginx.conf")
    file.write_text(NGINX.format(directory=directory, port=port, prefix=PREFIX))
    command: list[str | Path] = [
        find_program("nginx", package="nginx-light"),
        "-p",
        directory,
        "-c",
        file,
    ]
    return _ready(Responder("nginx", _process(directory, command), port))


def caddy(directory: Path) -> Responder:
    """A file, without a log."""
    port, file = free_port(), _written(directory, "Caddyfile")
    file.write_text(CADDY.format(directory=directory, port=port, prefix=PREFIX))
    program = find_program("caddy", package="caddy")
    command: list[str | Path] = [program, "run", "--adapter", "caddyfile", "--config", file]
    return _ready(Responder("Caddy", _process(directory, command), port))


def _database(url: str) -> str:
    return "PostgreSQL" if url else "SQLite"


def _challenges(directory: Path, database_url: str, command: list[str]) -> tuple[Process, int]:
    data_dir = directory / "data"
    data_dir.mkdir(parents=True)
    more = {"DATABASE_URL": database_url} if database_url else {}
    environ, port = environment(data_dir, **more), free_port()
    publish = [sys.executable, "-m", "bench.publishing", str(port)]
    subprocess.run(publish, env=environ, cwd=CHECKOUT, check=True)
    return Process(command, log=directory / "log", env=environ, cwd=CHECKOUT), port


def _written(directory: Path, name: str) -> Path:
    """Where the configuration goes; the token's file lies beside it, for whoever nginx works as."""
    webroot = directory / "webroot" / PREFIX.removeprefix("/")
    webroot.mkdir(parents=True)
    (webroot / TOKEN).write_text(AUTHORIZATION)
    for folder in (directory, *(directory / "webroot").rglob("*"), directory / "webroot"):
        folder.chmod(0o755)
    return directory / name


def _process(directory: Path, command: Sequence[str | Path]) -> Process:
    directory.mkdir(parents=True, exist_ok=True)
    return Process(
        command,
        log=directory / "log",
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(directory)},
        cwd=CHECKOUT,
    )


def _ready(responder: Responder) -> Responder:
    responder.process.wait_until(lambda: answers(responder.port), f"{responder.name} answers")
    return responder
