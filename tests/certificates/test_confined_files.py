"""Only regular files of at most 64 KiB below the allowed directories are read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import confined_files
from certificates.confined_files import Bounds, NotReadError, OutsideError


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """The one directory."""
    directory = tmp_path / "allowed"
    directory.mkdir()
    return directory


def read(path: Path | str, *allowed: Path) -> bytes:
    """The content alone."""
    return confined_files.read(str(path), Bounds(allowed))[1]


def test_a_file_below_is_read_with_its_state(allowed: Path) -> None:
    file = allowed / "sub" / "cert.pem"
    file.parent.mkdir()
    file.write_bytes(b"content")
    state, content = confined_files.read(str(file), Bounds((allowed,)))
    assert content == b"content"
    assert state == confined_files.state([str(file)])


def test_links_within_are_followed(allowed: Path) -> None:
    (allowed / "archive").mkdir()
    (allowed / "archive" / "cert2.pem").write_bytes(b"content")
    (allowed / "live").mkdir()
    (allowed / "live" / "cert.pem").symlink_to("../archive/cert2.pem")
    assert read(allowed / "live" / "cert.pem", allowed) == b"content"
    # Whoever allows the links alone does not allow what they lead to.
    with pytest.raises(OutsideError):
        read(allowed / "live" / "cert.pem", allowed / "live")


def test_an_allowed_directory_may_be_a_link_itself(allowed: Path, tmp_path: Path) -> None:
    (allowed / "cert.pem").write_bytes(b"content")
    (tmp_path / "link").symlink_to(allowed)
    assert read(tmp_path / "link" / "cert.pem", tmp_path / "link") == b"content"


def out_by_dots(allowed: Path, secret: Path) -> str:
    return f"{allowed}/../{secret.name}"


def out_by_a_link(allowed: Path, secret: Path) -> str:
    (allowed / "link").symlink_to(secret)
    return f"{allowed}/link"


def out_by_a_linked_directory(allowed: Path, secret: Path) -> str:
    (allowed / "here").symlink_to(secret.parent)
    return f"{allowed}/here/{secret.name}"


def out_by_a_link_and_dots(allowed: Path, secret: Path) -> str:
    elsewhere = secret.parent / "elsewhere"
    elsewhere.mkdir()
    (allowed / "link").symlink_to(elsewhere)
    return f"{allowed}/link/../{secret.name}"


def out_by_the_kernel(allowed: Path, secret: Path) -> str:
    (allowed / "link").symlink_to("/proc/self/environ")
    return f"{allowed}/link"


@pytest.mark.parametrize(
    "way",
    [
        lambda _, secret: str(secret),
        lambda allowed, _: f"{allowed}-not/cert.pem",
        lambda allowed, _: str(allowed),
        lambda _allowed, _secret: "/",
        out_by_dots,
        out_by_a_link,
        out_by_a_linked_directory,
        out_by_the_kernel,
    ],
)
def test_nothing_outside_is_read(
    allowed: Path, tmp_path: Path, way: Callable[[Path, Path], str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    with pytest.raises(OutsideError) as caught:
        read(way(allowed, secret), allowed)
    assert "the secret" not in str(caught.value)


def test_dots_behind_a_link_lead_nowhere_else(allowed: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    with pytest.raises(NotReadError):
        read(out_by_a_link_and_dots(allowed, secret), allowed)


def test_whether_a_file_outside_exists_is_not_told(allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    said = set()
    for name in ("there", "not-there"):
        with pytest.raises(OutsideError) as caught:
            read(tmp_path / name, allowed)
        said.add(str(caught.value))
    assert len(said) == 1


def test_what_is_forbidden_is_not_read_though_a_directory_above_is_allowed(
    allowed: Path,
) -> None:
    (allowed / "own").mkdir()
    (allowed / "own" / "key").write_text("the secret")
    (allowed / "link").symlink_to("own/key")
    bounds = Bounds((allowed,), (allowed / "own",))
    for path in (allowed / "own" / "key", allowed / "link"):
        with pytest.raises(OutsideError):
            confined_files.read(str(path), bounds)


@pytest.mark.timeout(5)
def test_a_pipe_without_a_writer_is_not_waited_for(allowed: Path) -> None:
    os.mkfifo(allowed / "pipe")
    with pytest.raises(NotReadError, match="not a regular file"):
        read(allowed / "pipe", allowed)


def test_a_pipe_is_not_even_opened(allowed: Path) -> None:
    """Opening it would let a writer go on that waits for a reader."""
    os.mkfifo(allowed / "pipe")
    writer = threading.Thread(target=lambda: os.open(allowed / "pipe", os.O_WRONLY), daemon=True)
    writer.start()
    for _ in range(50):
        with pytest.raises(NotReadError):
            read(allowed / "pipe", allowed)
    assert writer.is_alive()
    os.close(os.open(allowed / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    writer.join(5)


def test_directories_and_missing_files_are_told(allowed: Path) -> None:
    (allowed / "directory").mkdir()
    (allowed / "dangling").symlink_to("nothing")
    with pytest.raises(NotReadError, match="not a regular file"):
        read(allowed / "directory", allowed)
    for name in ("missing", "dangling", "directory/missing"):
        with pytest.raises(NotReadError, match="does not exist"):
            read(allowed / name, allowed)


def test_at_most_64_kib_are_read(allowed: Path) -> None:
    file = allowed / "large"
    file.write_bytes(b"x" * confined_files.MAX_FILE)
    assert len(read(file, allowed)) == confined_files.MAX_FILE
    file.write_bytes(b"x" * (confined_files.MAX_FILE + 1))
    with pytest.raises(NotReadError, match="larger than 64 KiB"):
        read(file, allowed)


def test_a_link_that_is_turned_between_inside_and_outside_never_gives_what_is_outside(
    allowed: Path, tmp_path: Path
) -> None:
    inside, outside = allowed / "inside", tmp_path / "outside"
    inside.write_bytes(b"inside")
    outside.write_bytes(b"outside")
    end = threading.Event()

    def turn() -> None:
        while not end.is_set():
            for target in (outside, inside):
                fresh = allowed / "fresh"
                fresh.symlink_to(target)
                fresh.replace(allowed / "link")

    (allowed / "link").symlink_to(inside)
    turner = threading.Thread(target=turn)
    turner.start()
    try:
        seen, refused = set(), 0
        for _ in range(2000):
            try:
                seen.add(read(allowed / "link", allowed))
            except OutsideError:
                refused += 1
    finally:
        end.set()
        turner.join()
    assert seen == {b"inside"}
    assert refused


def test_no_descriptor_is_left_open(allowed: Path) -> None:
    (allowed / "file").write_bytes(b"content")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("file", "missing"):
        for _ in range(5):
            try:
                read(allowed / name, allowed)
            except NotReadError:
                continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_state_tells_every_change(allowed: Path) -> None:
    file = allowed / "cert.pem"
    states = [confined_files.state([str(file)])]
    file.write_bytes(b"one")
    states.append(confined_files.state([str(file)]))
    other = allowed / "other"
    other.write_bytes(b"two")
    other.replace(file)
    states.append(confined_files.state([str(file)]))
    os.utime(file, ns=(0, 0))
    states.append(confined_files.state([str(file)]))
    assert len(set(states)) == 4
    assert confined_files.state([str(file)]) == states[-1]
