"""The text of supervisord.conf for a set of programs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from gateway_admin.launch.programs import Program

# Seconds from the signal to stop to SIGKILL; all of it has to be over within ten.
STOP_WAIT = 6

SUPERVISORD = """\
[supervisord]
nodaemon = true
silent = true
logfile = %(here)s/supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
loglevel = warn
pidfile = %(here)s/supervisord.pid
childlogdir = %(here)s
nocleanup = true
umask = 077
minfds = 256
minprocs = 1
"""


def text(programs: Sequence[Program]) -> str:
    """The configuration; it is to lie in the directory that gets the supervisor's log and pid.

    All programs are in one group, because supervisord stops groups one after the other.
    """
    names = ",".join(program.name for program in programs)
    group = f"[group:gateway-admin]\nprograms = {names}\n"
    return "\n".join([SUPERVISORD, group, *(_section(program) for program in programs)])


def _section(program: Program) -> str:
    restart = ("unexpected", 0) if program.once else ("true", 1)
    lines = [
        f"[program:{program.name}]",
        f"command = {' '.join(quote(part) for part in program.full_command)}",
        f"autorestart = {restart[0]}",
        f"startsecs = {restart[1]}",
        "startretries = 1000000",
        f"stopwaitsecs = {STOP_WAIT}",
        "killasgroup = true",
    ]
    if program.environment:
        pairs = ",".join(f'{key}="{_escape(value)}"' for key, value in program.environment)
        lines.append(f"environment = {pairs}")
    if program.log:
        lines += [
            # supervisord expands this value twice, so that the first time must yield the second's
            # %(here)s: a path put in by the first would be taken for a format itself.
            f"stdout_logfile = %%(here)s/../{program.log}",
            "stdout_logfile_maxbytes = 5MB",
            "stdout_logfile_backups = 1",
            "redirect_stderr = true",
        ]
    else:
        lines += ["stdout_logfile = NONE", "stderr_logfile = NONE"]
    return "\n".join(lines) + "\n"


def quote(argument: str) -> str:
    """One argument of a command, safe from supervisord's shlex, its % and its comments.

    A ; or # after a blank begins a comment there even inside quotes, so they are kept apart by a
    pair of quotes. A line break cannot be written at all: ValueError.
    """
    if "\n" in argument or "\r" in argument:
        message = f"A command of the supervisor cannot hold a line break: {argument!r}"
        raise ValueError(message)
    return _escape(re.sub(r"(\s)([;#])", r"\1''\2", shlex.quote(argument)))


def _escape(value: str) -> str:
    return value.replace("%", "%%")
