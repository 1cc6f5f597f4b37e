"""Where a secret is looked for, and what is said when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_admin.secret import MAX_SECRET, Secret


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The owner's file."""
    file = tmp_path / "given"
    file.write_text("the owner's\n")
    return file


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """The file that the product makes."""
    file = tmp_path / "ours"
    file.write_text("our own\n")
    return file


def test_the_first_place_that_is_given_wins(given: Path, ours: Path) -> None:
    environ: dict[str, str] = {}
    own = Secret.of(environ, "KEY", ours)
    assert (own.read(), own.own_file) == ("our own", ours)

    environ["KEY_FILE"] = str(given)
    named = Secret.of(environ, "KEY", ours)
    assert (named.read(), named.own_file, named.variable) == ("the owner's", None, "KEY_FILE")

    environ["KEY"] = " the variable's "
    value = Secret.of(environ, "KEY", ours)
    assert (value.read(), value.own_file, value.variable) == ("the variable's", None, "KEY")
    assert "the variable's" not in repr(value)


def test_a_file_is_read_each_time(ours: Path) -> None:
    secret = Secret.of({}, "KEY", ours)
    assert secret.read() == "our own"
    ours.write_text("another")
    assert secret.read() == "another"


@pytest.mark.parametrize("place", ["missing", "ours/below"])
def test_our_own_file_may_be_missing_and_the_owners_may_not(ours: Path, place: str) -> None:
    missing = ours.parent / place
    assert Secret.of({}, "KEY", missing).read() == ""
    with pytest.raises(OSError, match=rf"^KEY_FILE names {missing}, which cannot be read: "):
        Secret.of({"KEY_FILE": str(missing)}, "KEY", ours).read()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "cannot be read: it is not UTF-8 text."),
        (b"x" * (MAX_SECRET + 1), "is larger than 64 KiB."),
    ],
)
def test_what_is_no_secret_is_said_in_one_sentence(ours: Path, content: bytes, said: str) -> None:
    ours.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        Secret.of({}, "KEY", ours).read()
    assert str(caught.value) == f"{ours} {said}"


def test_a_device_without_end_is_too_large() -> None:
    with pytest.raises(ValueError, match="larger than"):
        Secret.of({"KEY_FILE": "/dev/zero"}, "KEY", Path("/nowhere")).read()


def test_a_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be read: Is a directory"):
        Secret.of({}, "KEY", tmp_path).read()
