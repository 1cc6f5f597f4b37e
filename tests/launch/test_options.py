"""The command line of `run`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway_admin.launch import options
from gateway_admin.launch.options import Fault, Options

CHECKOUT = Path(options.__file__).resolve().parents[2]


def test_defaults_are_the_loopback_address_and_8443() -> None:
    assert options.parse([]) == Options("127.0.0.1", 8443, None, demo=False, fault=None)


def test_everything_can_be_given() -> None:
    given = ["--host", "::", "--port", "1", "--data-dir", "x", "--demo", "--demo-fault", "caa"]
    assert options.parse([*given, "--tls"]) == Options(
        "::", 1, Path("x"), demo=True, fault=Fault.CAA, tls=True
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "http"],
        ["--port", "٣"],
        ["--demo-fault", "caa"],
        ["--demo", "--demo-fault", "flood"],
        ["--dem"],
        ["extra"],
    ],
)
def test_wrong_usage_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments)
    assert ended.value.code == 2
    assert "usage: run" in capsys.readouterr().err


def test_help_needs_no_installation() -> None:
    launcher = CHECKOUT / "gateway_admin" / "launch" / "__main__.py"
    command = [sys.executable, "-I", "-S", str(launcher), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    for option in ("--host", "--port", "--data-dir", "--demo", "--demo-fault", "--tls"):
        assert option in shown
