from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from manage import take_data_dir
from tests.parts.product import CHECKOUT, MakeProduct, clean_environment


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to the environment is taken back."""
    monkeypatch.setenv("GATEWAY_ADMIN_DATA_DIR", "before")


@pytest.mark.parametrize(
    ("arguments", "rest", "directory"),
    [
        (["status"], ["status"], "before"),
        (["status", "--data-dir", "/x"], ["status"], "/x"),
        (["--data-dir", "/x", "status"], ["status"], "/x"),
        (["--data-dir=/x y", "status"], ["status"], "/x y"),
        (["status", "--data-dir=a=b", "--json"], ["status", "--json"], "a=b"),
        (["a", "--data-dir", "/x", "b", "--data-dir", "/y"], ["a", "b"], "/y"),
        (["a", "--data-dir", "-x"], ["a"], "-x"),
        (["a", "--data-directory", "/x"], ["a", "--data-directory", "/x"], "before"),
    ],
)
def test_the_data_directory_may_stand_anywhere(
    arguments: list[str], rest: list[str], directory: str
) -> None:
    assert take_data_dir(["manage.py", *arguments]) == ["manage.py", *rest]
    assert os.environ["GATEWAY_ADMIN_DATA_DIR"] == directory


@pytest.mark.parametrize(
    "arguments", [["--data-dir"], ["--data-dir="], ["--data-dir", ""], ["--data-dir", "--json"]]
)
def test_a_data_directory_must_be_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        take_data_dir(["manage.py", "status", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "--data-dir needs a directory.\n"
    assert os.environ["GATEWAY_ADMIN_DATA_DIR"] == "before"


def manage(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it from elsewhere than the checkout."""
    return subprocess.run(
        [sys.executable, CHECKOUT / "manage.py", *arguments],
        env=clean_environment() | environ,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "status", "words"),
    [
        (["status", "--data-dir"], {}, 2, "--data-dir needs a directory."),
        (["status"], {"GATEWAY_ADMIN_LOG_FORMAT": "xml"}, 1, "GATEWAY_ADMIN_LOG_FORMAT must be"),
        (["status"], {"DATABASE_URL": "mysql://u@h/n"}, 1, "DATABASE_URL must start with"),
        (["status"], {"GATEWAY_ADMIN_ACME_STAGING_URL": "http://x"}, 1, "https://"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], status: int, words: str
) -> None:
    done = manage(*arguments, **{"GATEWAY_ADMIN_DATA_DIR": str(tmp_path / "data"), **environ})
    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "data").exists()


def test_a_data_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = manage("status", "--json", "--data-dir", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("arguments", [["status", "--no-such-option"], ["configure", "surplus"]])
def test_wrong_usage_ends_with_status_2(tmp_path: Path, arguments: list[str]) -> None:
    done = manage(*arguments, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_data_directory_of_the_option_wins_over_the_environments(
    make_product: MakeProduct, tmp_path: Path
) -> None:
    product = make_product()
    product.manage("status", "--json", "--data-dir", tmp_path / "other")
    assert (tmp_path / "other" / "db.sqlite3").is_file()
    assert not product.data_dir.exists()


def test_a_command_that_does_not_exist_is_wrong_usage(tmp_path: Path) -> None:
    done = manage("isue", "--data-dir", str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no command isue; see: manage.py help\n"
    assert not (tmp_path / "data").exists()
