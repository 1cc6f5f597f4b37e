"""Nothing is sent or put into use before what it depends on has been flushed to disk.

Seen from outside: by the system calls of a whole issuance, in their order.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.main_job.steps import configure
from tests.parts.pebble import StartAuthorities, TestAuthorities
from tests.parts.product import CHECKOUT, MakeProduct, Product
from tests.parts.strace import Call, first, parse, trace

pytestmark = pytest.mark.slow

SYNCING = ("fsync", "fdatasync")
RENAMING = ("rename", "renameat", "renameat2")
SENDING = ("write", "sendto", "sendmsg")
WRITING = ("write", "pwrite64")
CALLS = (*SYNCING, *RENAMING, *SENDING, "pwrite64", "symlink", "symlinkat")
FILES = ("fullchain.pem", "cert.pem", "chain.pem", "privkey.pem")
PIECE = 16
# RFC 8446 §5.1: a TLS record of type 23, as strace writes its first bytes.
APPLICATION_DATA = re.compile(r'\d+<socket:\[\d+\]>, "\\27\\3\\3')


@dataclass(frozen=True)
class Traced:
    """A finished issuance, and every call that its process made."""

    calls: list[Call]
    product: Product
    authorities: TestAuthorities

    @property
    def journal(self) -> Path:
        """Where SQLite commits to."""
        return self.product.data_dir / "db.sqlite3-wal"

    def column(self, query: str) -> list[str]:
        """The first column of a query on the product's database."""
        with closing(sqlite3.connect(self.product.data_dir / "db.sqlite3")) as database:
            return [str(row[0]) for row in database.execute(query)]

    def request(self, url: str) -> Call:
        """The first bytes of the first such request on their way to the CA."""
        announced = first(
            self.calls,
            lambda call: call.name == "write" and f"sending POST {url}\\n" in call.arguments,
            f"the request to {url}",
        )
        return first(
            self.calls,
            lambda call: call.name in SENDING and bool(APPLICATION_DATA.match(call.arguments)),
            f"the bytes of the request to {url}",
            after=announced.ended,
        )

    def sync_of(self, path: Path, after: Call | None = None) -> Call:
        """The first flush of that file or directory, after that call has ended."""
        return first(
            self.calls,
            lambda call: call.name in SYNCING and call.is_on(path),
            f"flushing {path}",
            after=after.ended if after else -1,
        )

    def writes_to_journal(self) -> Iterator[Call]:
        """Everything that was written to SQLite's journal."""
        return (call for call in self.calls if call.name in WRITING and call.is_on(self.journal))

    def stored(self, text: str, before: Call) -> Call:
        """The last write of the text to the journal before that call, wherever pages split it."""
        pieces = [text[at : at + PIECE] for at in range(0, len(text) - PIECE, PIECE)]
        writes = [call for call in self.writes_to_journal() if call.begun < before.begun]
        holding = {piece: call for call in writes for piece in pieces if piece in call.arguments}
        assert len(holding) >= len(pieces) - 2, "it was not written before"
        return max(holding.values(), key=lambda call: call.ended)

    def assert_flushed_before(self, text: str, before: Call) -> None:
        """The text was stored and flushed to disk when that call began."""
        stored = self.stored(text, before)
        assert self.sync_of(self.journal, after=stored).ended < before.begun


@pytest.fixture
def traced(make_product: MakeProduct, start_acme: StartAuthorities, tmp_path: Path) -> Traced:
    """One issuance under strace, from the first registration to the files."""
    authorities = start_acme()
    product = make_product(authorities.environment())
    configure(product, authorities)
    product.start_responder(authorities.http_port)
    calls = trace(
        [sys.executable, "-m", "tests.main_job.traced"],
        CALLS,
        output=tmp_path / "trace",
        env=product.env,
        cwd=CHECKOUT,
        timeout=120,
    )
    return Traced(calls, product, authorities)


def test_what_must_not_be_lost_is_flushed_before_what_depends_on_it(traced: Traced) -> None:
    for number, ca in enumerate((traced.authorities.staging, traced.authorities.production)):
        base = ca.directory_url.removesuffix("/dir")
        account, order = (
            traced.column(f"SELECT sealed_key FROM certificates_{table} ORDER BY id")[number]  # noqa: S608
            for table in ("account", "order")
        )
        traced.assert_flushed_before(account, traced.request(f"{base}/sign-me-up"))
        traced.assert_flushed_before(order, traced.request(f"{base}/order-plz"))
        assert account != order
    _assert_files_are_flushed_before_they_come_into_use(traced)


def _assert_files_are_flushed_before_they_come_into_use(traced: Traced) -> None:
    data = traced.product.data_dir
    archive, live = data / "archive" / "default", data / "live"
    generation = (live / "default").resolve()
    fresh = archive / ".new"

    def named(call: Call, old: Path, new: Path) -> bool:
        return call.name in RENAMING and bool(
            re.search(
                rf'"{re.escape(str(old))}", (AT_FDCWD\S*, )?"{re.escape(str(new))}"', call.arguments
            )
        )

    calls = traced.calls
    finished = first(calls, lambda call: named(call, fresh, generation), "naming the new set")
    switched = first(
        calls,
        lambda call: named(call, live / ".default.new", live / "default"),
        "the rename of the link",
    )
    for name in FILES:
        writes = [call for call in calls if call.name in WRITING and call.is_on(fresh / name)]
        synced = traced.sync_of(fresh / name, after=writes[-1])
        assert synced.ended < finished.begun, name
    assert traced.sync_of(fresh).ended < finished.begun
    for directory in (archive, archive.parent, data):
        assert traced.sync_of(directory).ended < switched.begun, directory
    assert traced.sync_of(archive, after=finished).ended < switched.begun
    # What the files were made from is stored for good as well.
    sealed = traced.column("SELECT sealed_key FROM certificates_certificate")[0]
    traced.assert_flushed_before(sealed, switched)
    committed = traced.sync_of(traced.journal, after=switched)
    assert traced.sync_of(live, after=switched).ended < committed.begun


# The reading of traces


def test_calls_that_others_come_in_between_are_put_together() -> None:
    calls = parse(
        "7 fsync(3</a> <unfinished ...>\n"
        '8 write(4</b>, "x", 1) = 1\n'
        "7 <... fsync resumed>)             = 0\n"
        '8 rename("a", "b") = -1 ENOENT (No such file or directory)\n'
        "8 --- SIGCHLD {si_signo=SIGCHLD} ---\n"
        "8 +++ exited with 0 +++\n"
    )
    assert [(call.name, call.begun, call.ended, call.failed) for call in calls] == [
        ("write", 1, 1, False),
        ("fsync", 0, 2, False),
        ("rename", 3, 3, True),
    ]
    assert calls[1].is_on(Path("/a"))
    assert not calls[1].is_on(Path("/"))


def test_a_file_that_was_replaced_is_not_taken_for_the_new_one() -> None:
    (call,) = parse("7 fsync(3</a (deleted)>) = 0\n")
    assert not call.is_on(Path("/a"))
