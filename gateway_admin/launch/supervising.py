"""The supervisor that `run` execs into: supervisord with the manners of a foreground program.

It loads no Django, since it lives as long as the product does and should stay small.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from supervisor.datatypes import RestartUnconditionally
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ProcessConfig, ServerOptions, decode_wait_status
from supervisor.process import Subprocess
from supervisor.states import ProcessStates
from supervisor.supervisord import Supervisor

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
# Seconds. supervisord waits one second more after each failed start, without end.
LONGEST_RESTART_DELAY = 10


class Program(Subprocess):  # type: ignore[misc]
    """One supervised program that writes straight to our own standard output and error."""

    backoff: int

    def _prepare_child_fds(self) -> None:
        """Leave 1 and 2 as they are, whatever they are, unless the program has a log file.

        Opening /dev/stdout anew, as supervisord would, fails on a socket, which is what a service
        manager's journal gives us; and a pipe through the supervisor would lose the last words.
        """
        if self.pipes:
            super()._prepare_child_fds()
            return
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.closerange(3, self.config.options.minfds)

    def change_state(self, new_state: int, expected: bool = True) -> Any:
        """Keep the pause between failed starts short enough for an outage that ends by itself."""
        if new_state == ProcessStates.BACKOFF:
            self.backoff = min(self.backoff, LONGEST_RESTART_DELAY - 1)
        return super().change_state(new_state, expected)

    def finish(self, pid: int, sts: int) -> None:
        """End what the program itself had started, and say on the terminal if it just died."""
        stopped_by_us = self.killing
        super().finish(pid, sts)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # every program is the leader of its own group
        status, reason = decode_wait_status(sts)
        is_service = self.config.autorestart is RestartUnconditionally
        if not stopped_by_us and (is_service or status not in self.config.exitcodes):
            _tell(f"{self.config.name} ended unexpectedly ({reason}) and is started again.")


class ProgramConfig(ProcessConfig):  # type: ignore[misc]
    """A program's section of supervisord.conf."""

    def make_process(self, group: Any = None) -> Program:
        """The program itself, in its group."""
        process = Program(self)
        process.group = group
        return process

    def make_dispatchers(self, proc: Program) -> tuple[dict[int, Any], dict[str, Any]]:
        """Pipes only where the output goes to a log file of its own."""
        return super().make_dispatchers(proc) if self.stdout_logfile else ({}, {})


class Waker:
    """Ends the supervisor's poll at once when a signal arrives, rather than up to a second later.

    Since PEP 475 a signal no longer interrupts poll(); a byte in this pipe does.
    """

    def __init__(self) -> None:
        self.fd, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def readable(self) -> bool:
        """Always of interest."""
        return True

    def writable(self) -> bool:
        """Never written to by the poll loop."""
        return False

    def handle_read_event(self) -> None:
        """Empty the pipe; supervisord looks at its signals after every poll."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def handle_error(self) -> None:
        """Nothing is held that could be lost."""


class Options(ServerOptions):  # type: ignore[misc]
    """supervisord's options, with our programs, signals and privileges."""

    def processes_from_section(
        self, parser: Any, section: str, group_name: str, klass: Any = None
    ) -> Any:
        """Every program is one of ours; ``klass`` is what supervisord would have made of it."""
        return super().processes_from_section(parser, section, group_name, ProgramConfig)

    def set_uid_or_exit(self) -> None:
        """We run as whoever started us; supervisord would log a warning about root here."""

    def get_socket_map(self) -> dict[int, Any]:
        """What is polled beside the programs' pipes."""
        waker = Waker()
        return {waker.fd: waker}

    def setsignals(self) -> None:
        """A closed terminal stops us as Ctrl-C does (supervisord would reload), but not nohup."""
        outlives_the_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().setsignals()
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN if outlives_the_terminal else self._stop_on_hangup
        )
        # The programs have process groups of their own, so that a terminal with `stty tostop`
        # would stop them when they write a line. They inherit that this is ignored.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        # Blocked by whoever exec'ed us, so that no stop request is lost in between.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _stop_on_hangup(self, _signal: int, frame: FrameType | None) -> None:
        self.signal_receiver.receive(signal.SIGTERM, frame)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, f"{line}\n".encode())


def supervise(configuration: Path) -> None:
    """Run the programs of a supervisord.conf until a signal asks to stop them."""
    options = Options()
    options.realize(["-n", "-c", str(configuration)], doc="")
    options.first = True
    options.test = False
    with contextlib.suppress(asyncore.ExitNow):
        Supervisor(options).main()
    options.close_logger()


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
