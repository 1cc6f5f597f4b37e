"""The challenge port's master process: binds the configured port and follows it when it changes.

Opens the new port before it lets go of the old one. It survives a port that cannot be bound and
a database that is away; it holds no keys and answers no request itself.
"""

from __future__ import annotations

import datetime
import gc
import logging
import os
import resource
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connections
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.sock import TCP6Socket, TCPSocket

from challenges import binding, following, ports
from challenges.following import Position, Report
from challenges.models import ChallengeListener, NetworkSettings

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

BACKLOG = 1024
THREADS = 8
GRACE = 3  # seconds for requests under way; all of it is over within five
MOST_CONNECTIONS = 20_000
_SPARE_DESCRIPTORS = 64


class ResponderLog(Logger):
    """gunicorn's log lines go where the others go."""

    def setup(self, cfg: Any) -> None:
        """Without handlers of its own."""
        super().setup(cfg)
        self.error_log.propagate = True


class Responder(BaseApplication):
    """gunicorn with our settings, none of them from files or from the environment."""

    def __init__(self, application: WSGIHandler) -> None:
        self.application = application
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        chosen: dict[str, object] = {
            "bind": [],  # the arbiter's own business
            "workers": 0,  # none before there is a port
            "worker_class": "challenges.worker.ChallengeWorker",
            "threads": THREADS,
            "worker_connections": _most_connections(),
            "preload_app": True,
            "keepalive": 0,
            "graceful_timeout": GRACE,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "logger_class": ResponderLog,
            "loglevel": "warning",
            "errorlog": None,
            "accesslog": None,
            "proc_name": "challenges",
            "pre_fork": _before_fork,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn."""
        return self.application


class ChallengeArbiter(Arbiter):
    """Keeps one worker on the port that NetworkSettings asks for."""

    def __init__(self, app: Responder, hosts: Sequence[str]) -> None:
        super().__init__(app)
        self.hosts = tuple(hosts)
        self.position = Position()
        self.reporter = Reporter(self.hosts)
        self.looked_at = float("-inf")

    def manage_workers(self) -> None:
        """Called by gunicorn about once a second and whenever a worker has ended."""
        if time.monotonic() - self.looked_at >= following.LOOK_EVERY * 0.9:
            self.looked_at = time.monotonic()
            self.follow()
        super().manage_workers()

    def follow(self) -> None:
        """Look at the settings, bind what they ask for if it is not bound yet, and report."""
        wanted = self.reporter.wanted_port()
        if wanted is not None:
            self.position = following.wants(self.position, wanted)
        port = following.port_to_try(self.position, time.monotonic())
        if port is not None:
            self._try(port)
        current = following.report(self.position)
        if wanted is not None and current:
            self.reporter.tell(current)

    def handle_hup(self) -> None:
        """There is no configuration to read again: a terminal that goes away is no reason."""

    def handle_usr2(self) -> None:
        """No second master: the first would keep the port."""

    def _try(self, port: int) -> None:
        try:
            sockets = binding.listen(self.hosts, port, backlog=BACKLOG)
        except binding.CannotBind as refusal:
            sentence = ports.sentence(ports.explain(refusal, port))
            before = self.position.refusal
            if not before or (before.port, before.sentence) != (port, sentence):
                logger.error("%s", sentence)
            self.position = following.refused(self.position, port, sentence, time.monotonic())
            return
        self._switch_to(sockets)
        self.position = following.switched(self.position, port)
        logger.info("The challenge port is %d, on %s.", port, binding.written(self.hosts))

    def _switch_to(self, sockets: Sequence[socket.socket]) -> None:
        """Serve ``sockets`` by a new worker; gunicorn retires the old one, which is one too many.

        The old sockets are closed here first, so that the new worker does not inherit them. The
        old worker has its own and answers on them until it is told to stop.
        """
        old = list(self.LISTENERS)
        self.LISTENERS[:] = [self._adopt(bound) for bound in sockets]
        for listener in old:
            listener.close()
        self.num_workers = 1
        self.spawn_worker()

    def _adopt(self, bound: socket.socket) -> TCPSocket:
        kind = TCP6Socket if bound.family == socket.AF_INET6 else TCPSocket
        return kind(bound.getsockname(), self.cfg, cast(Logger, self.log), fd=bound.detach())


class Reporter:
    """Reads the wanted port, writes the listener's row; a database that is away is logged once."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.host = socket.gethostname()
        self.addresses = binding.written(hosts)
        self.started_at = datetime.datetime.now(tz=datetime.UTC)
        self.last: Report | None = None
        self.last_at = float("-inf")
        self.is_away = False

    def wanted_port(self) -> int | None:
        """The configured port, or None while the database cannot be asked."""
        close_old_connections()
        return self._asked(lambda: NetworkSettings.load().challenge_port)

    def tell(self, current: Report) -> None:
        """Write the row if there is something new or the heartbeat is due."""
        now = time.monotonic()
        if following.is_report_due(self.last, self.last_at, current, now):
            self._asked(lambda: self._write(current))
            if not self.is_away:
                self.last, self.last_at = current, now

    def _write(self, current: Report) -> None:
        row = ChallengeListener(
            host=self.host,
            pid=os.getpid(),
            port=current.port,
            addresses=self.addresses,
            wanted_port=current.wanted_port,
            error=current.error,
            lowest_port=ports.own_lowest_port(),
            started_at=self.started_at,
            seen_at=datetime.datetime.now(tz=datetime.UTC),
        )
        changing = [field.name for field in row._meta.fields if field.name not in {"id", "host"}]
        ChallengeListener.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["host"], update_fields=changing
        )

    def _asked(self, question: Callable[[], Answer]) -> Answer | None:
        try:
            answer = question()
        except DatabaseFailure as error:
            if not self.is_away:
                logger.error("The database does not answer; trying again: %s", error)
            self.is_away = True
            connections.close_all()
            return None
        if self.is_away:
            logger.warning("The database answers again.")
        self.is_away = False
        return answer


def serve(application: WSGIHandler) -> None:
    """Run until SIGTERM or SIGINT."""
    host = str(getattr(settings, "CHALLENGE_HOST", binding.EVERYWHERE))
    ChallengeArbiter(Responder(application), binding.parse_hosts(host)).run()


def _before_fork(_arbiter: Arbiter, _worker: object) -> None:
    """A database connection must not be shared by two processes, memory should be."""
    connections.close_all()
    gc.freeze()


def _most_connections() -> int:
    """As many connections as the system lets us have descriptors for, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(THREADS + 1, allowed - _SPARE_DESCRIPTORS)
