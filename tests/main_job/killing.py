"""Kills workers at milestones, on real parts, and looks at what is left when others have finished.

What :mod:`tests.main_job.killed` does it is told to do from here.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.main_job.steps import configure
from tests.parts.pebble import Pebble, TestAuthorities
from tests.parts.processes import wait_until
from tests.parts.product import CHECKOUT, Product

ENVIRONMENTS = ("staging", "production")


@dataclasses.dataclass(frozen=True)
class Done:
    """What one CA has done, so far or since another moment."""

    orders: int
    certificates: int
    accounts: int

    @classmethod
    def by(cls, ca: Pebble) -> Done:
        """So far, by its log."""
        return cls(ca.placed_count(), ca.issued_count(), ca.registered_count())

    def since(self, before: Done) -> Done:
        """Since then."""
        return Done(
            self.orders - before.orders,
            self.certificates - before.certificates,
            self.accounts - before.accounts,
        )


@dataclasses.dataclass(frozen=True)
class Worked:
    """How a worker ended: the signal that killed it or 0, and its exit status."""

    signal: int
    status: int
    milestones: list[str]
    seconds: float

    @property
    def was_killed(self) -> bool:
        """By a signal that no program hears of."""
        return self.signal == signal.SIGKILL


class Killing:
    """A product with a responder, and with no worker but those that are sent to work."""

    def __init__(
        self, product: Product, authorities: TestAuthorities, *, has_responder: bool = True
    ) -> None:
        self.product = product
        self.authorities = authorities
        self._slugs = (f"g{number}" for number in itertools.count())
        configure(product, authorities)
        self._log = (product.log_dir / "killed.log").open("w")
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.main_job.killed"],
            env=product.env,
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        if has_responder:
            self.start_responder()

    def close(self) -> None:
        """End everything."""
        self._program.communicate()
        self._log.close()
        self.product.stop()

    def start_responder(self) -> None:
        """Start it, and wait until it serves and has said so."""
        now = time.time()
        self.product.start_responder(self.authorities.http_port)
        wait_until(lambda: self.ask("responder_started_at") > now, "The responder shows itself")

    def restart_responder(self) -> None:
        """What the supervisor does once it is killed; kills it if nobody has."""
        self.product.kill("challenges")
        self.start_responder()

    def new_gateway(self, *, new_accounts: bool = False) -> Case:
        """One that needs a certificate; if wanted, the console has no account left either."""
        slug = next(self._slugs)
        self.ask("new_gateway", slug=slug, new_accounts=new_accounts)
        return Case(self, slug)

    def done(self) -> dict[str, Done]:
        """What each CA has done so far, by environment."""
        return {
            "staging": Done.by(self.authorities.staging),
            "production": Done.by(self.authorities.production),
        }

    def ask(self, action: str, **arguments: Any) -> Any:
        """Have it done; returns the answer."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
        self._program.stdin.flush()
        answer = self._program.stdout.readline()
        assert answer, self.log()
        return json.loads(answer)

    def log(self) -> str:
        """What the workers have written."""
        return Path(self._log.name).read_text()


class Case:
    """One gateway, whose workers are killed."""

    def __init__(self, killing: Killing, slug: str) -> None:
        self.killing = killing
        self.slug = slug
        self._before = killing.done()

    def ask(self, action: str, **arguments: Any) -> Any:
        """Have it done for this gateway; returns the answer."""
        return self.killing.ask(action, slug=self.slug, **arguments)

    def kill_worker(
        self,
        at: Collection[str] = (),
        *,
        trigger: str = "manual",
        after: float = 0.0,
        with_responder: bool = False,
    ) -> Worked:
        """A worker asks for the certificate and dies at the first of these milestones.

        Or after so many seconds; with the responder at the same moment, if wanted.
        """
        responder = self.killing.product.processes.get("challenges")
        victims = [responder.pid] if responder and with_responder else []
        worked = self.ask(
            "work", trigger=trigger, dies_at=list(at), dies_after=after, takes_along=victims
        )
        return Worked(**worked)

    def resume(self, at: Collection[str] = (), *, patience: float = 30.0) -> Worked:
        """The lease runs out, and another worker goes on, to the end or till it dies too.

        Or till it would have to wait for longer than its ``patience``, in seconds.
        """
        self.ask("let_the_lease_run_out")
        return Worked(**self.ask("work", trigger="", dies_at=list(at), patience=patience))

    def report(self) -> dict[str, Any]:
        """What the database says of it."""
        return dict(self.ask("report"))

    def done(self) -> dict[str, Done]:
        """What each CA has done for it."""
        return {
            environment: done.since(self._before[environment])
            for environment, done in self.killing.done().items()
        }

    def assert_finished(
        self, *, certificates: int = 1, unfinished_stages: int = 0
    ) -> dict[str, Any]:
        """There is a certificate, its files are in use, and nothing else is left.

        Returns the report on it.
        """
        report = self.report()
        log = self.killing.log
        assert report["state"] == "done", (report, log())
        assert report["certificates"] == certificates, (report, log())
        assert report["unfinished_stages"] == unfinished_stages
        assert report["has_its_files"]
        assert report["unopened"] == []
        assert report["tokens"] == 0
        self.assert_files_are_sound()
        return report

    def assert_files_are_sound(self) -> None:
        """A key and its certificate, from the production CA, and nothing half written."""
        data_dir = self.killing.product.data_dir
        live = data_dir / "live" / self.slug
        chain = x509.load_pem_x509_certificates((live / "fullchain.pem").read_bytes())
        key = serialization.load_pem_private_key((live / "privkey.pem").read_bytes(), None)
        root = x509.load_pem_x509_certificate(self.killing.authorities.production.root().encode())
        assert key.public_key() == chain[0].public_key()
        chain[0].verify_directly_issued_by(chain[1])
        chain[1].verify_directly_issued_by(root)
        folders = [data_dir / "live", data_dir / "archive", data_dir / "archive" / self.slug]
        assert [path for folder in folders for path in folder.glob(".*")] == []

    def assert_ledger(self, uses: dict[str, int], environment: str, *, orders: int) -> None:
        """So many orders and one certificate have been counted at that CA."""
        ca: Pebble = getattr(self.killing.authorities, environment)
        assert uses[f"{ca.directory_url} new-orders"] == orders
        assert uses[f"{ca.directory_url} certificates-per-set"] == 1
        # Both names are of one registered domain.
        assert uses[f"{ca.directory_url} certificates-per-domain"] == 1
