"""Which programs run, with what command: the product's own ones and the line that says ready."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway_admin.launch import announcer

SECRETS = (
    "GATEWAY_ADMIN_SECRET_KEY",
    "GATEWAY_ADMIN_ENCRYPTION_KEYS",
    # Its address may hold the password; whoever can write to the broker can order work.
    "CELERY_BROKER_URL",
    "CELERY_BROKER_PASSWORD",
)
# The kernel stops the program if the supervisor is killed and cannot do it any more.
DIES_WITH_SUPERVISOR = ("setpriv", "--pdeathsig", "TERM", "--")
ISOLATED_PYTHON = (sys.executable, "-I", "-S")


@dataclass(frozen=True, slots=True)
class Program:
    """One program under the supervisor; without a log file it writes where `run` writes."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    log: Path | None = None
    # Done after it has ended well, rather than to be started again.
    once: bool = False
    keeps_secrets: bool = False

    @property
    def full_command(self) -> tuple[str, ...]:
        """The command with what every program gets: no secret it has no use for, no afterlife."""
        names = () if self.keeps_secrets else _names_of(SECRETS)
        without = ("env", *(part for name in names for part in ("-u", name))) if names else ()
        return (*without, *DIES_WITH_SUPERVISOR, *self.command)


def _names_of(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{secret}{suffix}" for secret in secrets for suffix in ("", "_FILE"))


def product(bind: str, *, tls: bool = False) -> tuple[Program, ...]:
    """Console (on ``bind``, as HOST:PORT), challenge responder, and worker with beat.

    With ``tls`` the console speaks HTTPS; what with, the configuration says.
    """
    settings = (("DJANGO_SETTINGS_MODULE", "gateway_admin.settings"),)
    responder_settings = (("DJANGO_SETTINGS_MODULE", "gateway_admin.responder_settings"),)
    return (
        Program("console", _console(bind, tls=tls), settings, keeps_secrets=True),
        Program("challenges", (sys.executable, "-m", "challenges"), responder_settings),
        Program("worker", _worker(), settings, keeps_secrets=True),
    )


def _console(bind: str, *, tls: bool) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "gunicorn", "gateway_admin.wsgi:application"),
        *("--bind", bind, "--no-control-socket", "--log-level", "warning"),
        *("--worker-class", "gateway_admin.launch.console_worker.ConsoleWorker"),
        *("--workers", "1", "--threads", "4"),
        # Not preloaded: master and worker together were measured to be 7 MB larger that way.
        *("--graceful-timeout", "4"),
        *(("--config", "python:gateway_admin.launch.gunicorn_conf") if tls else ()),
    )


def _worker() -> tuple[str, ...]:
    return (
        sys.executable,
        # Started by root it would print a paragraph about pickle, which we do not accept anyway.
        *("-W", "ignore:You're running the worker with superuser"),
        *("-m", "gateway_admin.worker"),
    )


def ready_line(arguments: announcer.Arguments) -> Program:
    """The program that says on the terminal where the console is, once it is there."""
    command = (*ISOLATED_PYTHON, announcer.__file__, *announcer.to_command_line(arguments))
    return Program("announcer", command, once=True)
