"""The line that says ready, against a console that is played."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway_admin.launch import announcer, programs
from gateway_admin.launch.announcer import Arguments, DemoFacts, Health
from tests.parts.processes import free_port


class PlayedConsole:
    """Answers every request with one status and body, which may change."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        played = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(played.status)
                self.end_headers()
                self.wfile.write(played.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])


@pytest.fixture
def console() -> Iterator[PlayedConsole]:
    """A console that says it is well until told otherwise."""
    played = PlayedConsole()
    with played.server:
        threading.Thread(target=played.server.serve_forever, args=(0.02,), daemon=True).start()
        yield played
        played.server.shutdown()


def arguments(port: int, data_dir: Path, demo: DemoFacts | None = None) -> Arguments:
    """For a console on this machine."""
    return Arguments(f"http://127.0.0.1:{port}", "127.0.0.1", port, data_dir, demo)


def test_arguments_survive_the_command_line() -> None:
    demo = DemoFacts("https://s/dir", "https://p/dir", Path("/a b/roots.pem"), "127.0.0.1:53")
    for given in (arguments(1, Path("/x;y")), arguments(2, Path("/-z"), demo)):
        assert announcer.from_command_line(announcer.to_command_line(given)) == given


def test_says_ready_and_where_to_set_up(
    console: PlayedConsole, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "setup-token").write_text("secret\n")
    announcer.announce(arguments(console.port, tmp_path))
    url = f"http://127.0.0.1:{console.port}"
    assert capfd.readouterr().out.splitlines() == [
        f"Gateway Admin is ready at {url}",
        f"Set up at {url}/setup/?token=secret",
    ]


def test_says_only_ready_once_claimed(
    console: PlayedConsole, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    announcer.announce(arguments(console.port, tmp_path))
    assert capfd.readouterr().out == f"Gateway Admin is ready at http://127.0.0.1:{console.port}\n"


def test_waits_as_long_as_something_is_down(
    console: PlayedConsole, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    console.status = 503
    waiting = threading.Thread(target=announcer.announce, args=(arguments(console.port, tmp_path),))
    waiting.start()
    waiting.join(0.3)
    assert capfd.readouterr().out == ""
    console.status = 200
    waiting.join(5)
    assert capfd.readouterr().out.startswith("Gateway Admin is ready at")


def test_complains_once_about_what_is_missing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "PATIENCE", 0.05)
    answers = iter([False, False, False, False, True])
    announcer.wait_for(lambda: next(answers), lambda: "down: worker")
    told = capfd.readouterr()
    assert told.err == "Gateway Admin is not ready yet; down: worker. Still waiting.\n"
    assert told.out == ""


@pytest.mark.parametrize(
    ("health", "complaint"),
    [
        (Health(0), "the console does not answer"),
        (Health(503, b"<html>"), "/healthz answers with status 503"),
        (Health(503, b"[]"), "/healthz answers with status 503"),
        (Health(503, b'{"database": "ok", "worker": "down"}'), "down: worker"),
        (
            Health(503, b'{"status": "down", "components": {"beat": "down", "broker": "down"}}'),
            "down: beat, broker",
        ),
    ],
)
def test_a_complaint_names_what_is_down(health: Health, complaint: str) -> None:
    assert announcer.complaint(health) == complaint


def test_nobody_there_is_no_answer() -> None:
    assert announcer.ask("127.0.0.1", free_port()) == Health(0)


def test_demo_is_announced_once_its_roots_are_known(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    roots = tmp_path / "roots.pem"
    demo = DemoFacts("https://s/dir", "https://p/dir", roots, "127.0.0.1:53")
    waiting = threading.Thread(target=announcer.announce_demo, args=(demo,))
    waiting.start()
    time.sleep(0.2)
    assert capfd.readouterr().out == ""
    roots.touch()
    waiting.join(5)
    assert capfd.readouterr().out.splitlines() == [
        f"Demo CA: staging https://s/dir production https://p/dir roots {roots}",
        "Demo DNS: 127.0.0.1:53",
    ]


def test_it_runs_without_site_packages(console: PlayedConsole, tmp_path: Path) -> None:
    program = programs.ready_line(arguments(console.port, tmp_path))
    assert program.command[:3] == (sys.executable, "-I", "-S")
    shown = subprocess.run(
        program.full_command, capture_output=True, text=True, check=True, timeout=10
    ).stdout
    assert shown.startswith("Gateway Admin is ready at ")
