"""What the challenge process does without: keys, secrets, certificates, the console's settings."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.challenges.conftest import environment, exchange
from tests.parts import strace
from tests.parts.processes import Process, find_program, free_port
from tests.parts.product import CHECKOUT, Product

pytestmark = pytest.mark.slow
UNKNOWN = (
    b"GET /.well-known/acme-challenge/uuuuuuuuuuuuuuuuuuuuuuuu HTTP/1.1\r\nHost: a.test\r\n\r\n"
)
QUOTED = re.compile(r'"(/[^"]*)"')


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """A data directory with everything that a product in use has, on the embedded default."""
    with Product(tmp_path / "product" / "data") as made:
        made.manage("configure", "--hostname", "mx.example.test", "--agree-terms")
        for folder in ("live", "archive"):
            (made.data_dir / folder / "default").mkdir(parents=True, exist_ok=True)
        yield made


def listener(product: Product) -> tuple[int, int] | None:
    """Process id and port, as the process reports them."""
    with closing(sqlite3.connect(product.data_dir / "db.sqlite3", timeout=10)) as database:
        row = database.execute("SELECT pid, port FROM challenges_challengelistener").fetchone()
    return row if row is None else (row[0], row[1])


def test_it_serves_without_keys_and_looks_at_no_secret_and_no_certificate(
    product: Product, tmp_path: Path
) -> None:
    port, trace = free_port(), tmp_path / "trace"
    product.manage("configure", "--challenge-port", str(port))
    program = find_program("strace", package="strace")
    command: list[str | Path] = [
        program,
        "-f",
        "-e",
        "trace=%file",
        "-o",
        trace,
        sys.executable,
        "-m",
        "challenges",
    ]
    # No variable of a key or a password, by value or by file: it has no use for any.
    environ = environment(product.data_dir)
    assert not [name for name in environ if re.search("KEY|SECRET|PASSWORD|BROKER", name)]

    process = Process(command, log=tmp_path / "log", env=environ, cwd=CHECKOUT)
    process.wait_until(lambda: (listener(product) or (0, 0))[1] == port, "It reports itself")
    assert (
        exchange(port, UNKNOWN.replace(b"a.test", b"a.test\r\nConnection: close"))[9:12] == b"404"
    )
    pid, _ = listener(product) or (0, 0)
    os.kill(pid, signal.SIGTERM)
    assert process.wait() == 0

    seen = [
        Path(path)
        for call in strace.parse(trace.read_text(errors="replace"))
        for path in QUOTED.findall(call.arguments)
    ]
    ours = {
        path.relative_to(product.data_dir) for path in seen if path.is_relative_to(product.data_dir)
    }
    names = {str(path).partition("-")[0] for path in ours}
    assert "db.sqlite3" in names, "what it must look at was seen"
    assert names <= {".", "db.sqlite3", "gateway", "demo.env"}, names


def test_the_other_settings_cannot_be_had_in_its_process(product: Product) -> None:
    """Whatever its environment asks for, it runs under its own, which know of no key."""
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'gateway_admin.settings'\n"
        "import runpy; runpy.run_module('challenges', run_name='not main')\n"
        "from django.conf import settings\n"
        "print(settings.SETTINGS_MODULE, settings.is_overridden('SECRET_KEY'), "
        "hasattr(settings, 'READ_ENCRYPTION_KEYS'))"
    )
    process = Process(
        [sys.executable, "-c", code],
        log=product.log_dir / "settings.log",
        env=environment(product.data_dir),
        cwd=CHECKOUT,
    )
    assert process.wait() == 0, process.output()
    assert process.output().split() == ["gateway_admin.responder_settings", "False", "False"]
