"""Whatever the disk does at whatever call, the pair in use is complete and is the row's."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from certificates import deploying, generations, keys, pem, repairing, store
from certificates.generations import Shelf
from certificates.models import Certificate, Gateway
from challenges.problems import ProblemError
from tests.certificates.chains import store_leaf
from tests.parts import faults

FILES = {"fullchain.pem", "cert.pem", "chain.pem", "privkey.pem"}
MORE_THAN_ENOUGH = 500
# One half written set, one half removed one, one link that was not renamed yet.
MOST_RESTS = 3
Fails = Callable[[int, str], BaseException | None]
WAYS = [
    pytest.param(way, number, id=f"{errno.errorcode[number]}-{way.__name__}")
    for number in faults.ERRORS
    for way in (faults.once, faults.lasting)
]


@pytest.fixture
def old(gateway: Gateway, data_dir: Path) -> Certificate:
    """The certificate in use, which another is to replace."""
    certificate = store_leaf(gateway)
    assert deploying.install(gateway, certificate, timezone.now())
    return certificate


@pytest.fixture
def new(gateway: Gateway) -> Certificate:
    """The certificate that is to come into use."""
    return store_leaf(gateway)


def files_of(certificate: Certificate) -> dict[str, bytes]:
    """What has to lie in the directory in use, made without the store's help."""
    chain = pem.split(certificate.chain_pem.encode())
    return {
        "fullchain.pem": pem.to_pem(chain).encode(),
        "cert.pem": pem.to_pem(chain[:1]).encode(),
        "chain.pem": pem.to_pem(chain[1:]).encode(),
        "privkey.pem": keys.to_pem(store.private_key(certificate)),
    }


def in_use(directory: Path) -> dict[str, bytes]:
    """Every file that a service finds."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rests(data_dir: Path) -> set[str]:
    """What there is besides complete sets and the link to one of them."""
    return {
        path.name
        for directory in (data_dir / "archive" / "default", data_dir / "live")
        for path in directory.iterdir()
        if path.name.startswith(".")
    }


def selected(gateway: Gateway) -> Certificate | None:
    """Which certificate the row says is in use."""
    return Gateway.objects.get(pk=gateway.pk).selected_certificate


def attempt(
    fails: Fails, action: Callable[[], object]
) -> tuple[faults.Calls, BaseException | None]:
    """The calls that were made, and how it ended; the disk is well again afterwards."""
    with faults.calls(fails) as calls:
        try:
            action()
        except (ProblemError, faults.KilledError) as error:
            return calls, error
    return calls, None


def test_every_call_goes_through_the_functions_that_are_made_to_fail(
    gateway: Gateway, old: Certificate, new: Certificate
) -> None:
    """If a version of Python called others, these tests would test nothing."""
    calls, _ = attempt(faults.none, lambda: store.write_live(gateway, new))
    assert {name: calls.made.count(name) for name in calls.made} == {
        "readlink": 5,
        "listdir": 4,
        "mkdir": 4,  # three of them find that the directory is there
        "chmod": 1,
        "open": 7,  # four files, three directories
        "fchmod": 4,
        "write": 4,
        "fsync": 7,
        "close": 7,
        "replace": 2,
        "unlink": 1,
        "symlink": 1,
    }
    for _ in range(generations.KEPT):
        calls, _ = attempt(faults.none, lambda: store.write_live(gateway, new))
    assert {"rename", "rmdir"} <= set(calls.made)


@pytest.mark.parametrize(("way", "number"), WAYS)
def test_a_fault_at_any_call_of_an_installation_leaves_the_old_pair(
    gateway: Gateway,
    data_dir: Path,
    old: Certificate,
    new: Certificate,
    way: Callable[[int, int], Fails],
    number: int,
) -> None:
    directory = data_dir / "live" / "default"
    refused = 0
    for at in range(1, MORE_THAN_ENOUGH):
        deploying.install(gateway, old, timezone.now())
        calls, error = attempt(
            way(at, number), lambda: deploying.install(gateway, new, timezone.now())
        )
        if isinstance(error, ProblemError):
            refused += 1
            assert error.problem.code == "certificate-files-not-written"
            assert error.problem.retryable
            assert os.strerror(number) in error.problem.explanation
            assert selected(gateway) == old
            if in_use(directory) != files_of(old):
                # The directory could not be flushed after the switch, nor the switch be undone:
                # the new pair is complete, it is said, and the row has it undone later.
                assert way is faults.lasting
                assert in_use(directory) == files_of(new)
                assert "The new files are in use all the same" in error.problem.explanation
                assert repairing.repair(timezone.now()) == 1
                assert in_use(directory) == files_of(old)
        else:
            assert error is None
            assert (in_use(directory), selected(gateway)) == (files_of(new), new)
        assert len(rests(data_dir)) <= MOST_RESTS
        if calls.count < at:
            break
    else:
        pytest.fail("there are more calls than were made to fail")
    assert refused > 20
    deploying.install(gateway, new, timezone.now())
    assert (in_use(directory), selected(gateway)) == (files_of(new), new)
    assert rests(data_dir) == set()


@pytest.mark.parametrize("number", faults.ERRORS, ids=lambda number: errno.errorcode[number])
def test_a_fault_at_any_call_of_a_first_installation_leaves_no_pair_or_a_whole_one(
    gateway: Gateway, data_dir: Path, new: Certificate, number: int
) -> None:
    link = data_dir / "live" / "default"
    for at in range(1, MORE_THAN_ENOUGH):
        calls, error = attempt(
            faults.once(at, number), lambda: deploying.install(gateway, new, timezone.now())
        )
        if error is not None:
            assert selected(gateway) is None
            assert not link.is_symlink()
            continue
        assert (in_use(link), selected(gateway)) == (files_of(new), new)
        if calls.count < at:
            break
        link.unlink()
        Gateway.objects.update(selected_certificate=None)
    else:
        pytest.fail("there are more calls than were made to fail")
    assert at > 30


def test_killed_at_any_call_the_pair_in_use_is_whole_and_the_next_write_cleans_up(
    data_dir: Path,
) -> None:
    old, new = {"fullchain.pem": b"old", "privkey.pem": b"old"}, {"fullchain.pem": b"new" * 99}
    shelf = Shelf(data_dir, "default")
    for at in range(1, MORE_THAN_ENOUGH):
        shelf.put("old", old)
        assert rests(data_dir) == set()
        _, error = attempt(faults.killed(at), lambda: shelf.put("new", new))
        assert in_use(shelf.link) in (old, new)
        assert len(rests(data_dir)) <= MOST_RESTS
        if error is None:
            break
    else:
        pytest.fail("there are more calls than there were kills")
    assert at > 30
    assert in_use(shelf.link) == new


@pytest.mark.parametrize("number", faults.ERRORS, ids=lambda number: errno.errorcode[number])
def test_a_set_that_could_not_be_put_into_use_durably_is_not_in_use(
    data_dir: Path, number: int
) -> None:
    shelf = Shelf(data_dir, "default")
    for at in range(1, MORE_THAN_ENOUGH):
        shelf.put("old", {"cert.pem": b"old"})
        failed = False
        with faults.calls(faults.once(at, number)) as calls:
            try:
                shelf.put("new", {"cert.pem": b"new"})
            except OSError:
                failed = True
        assert in_use(shelf.link) == {"cert.pem": b"old" if failed else b"new"}
        if calls.count < at:
            break
    assert at > 20


def test_a_set_stays_where_it_is_when_the_switch_to_it_cannot_be_undone(data_dir: Path) -> None:
    shelf = Shelf(data_dir, "default")
    shelf.put("old", {"cert.pem": b"old"})
    replaced = 0

    def fails(_count: int, name: str) -> BaseException | None:
        nonlocal replaced
        # First the new set gets its name, then the link is replaced.
        replaced += name == "replace"
        is_broken = replaced == 2 and name in {"fsync", "symlink"}
        return OSError(errno.EIO, "broken") if is_broken else None

    with faults.calls(fails), pytest.raises(OSError, match="broken"):
        shelf.put("new", {"cert.pem": b"new"})
    assert in_use(shelf.link) == {"cert.pem": b"new"}


def test_until_a_set_is_in_use_all_directories_are_flushed(data_dir: Path) -> None:
    shelf = Shelf(data_dir, "default")
    flushed = []
    for fails in (faults.killed(7), faults.killed(20), faults.none, faults.none):
        calls, _ = attempt(fails, lambda: shelf.put("new", {"cert.pem": b"new"}))
        flushed.append(calls.made.count("fsync"))
    # The set's file and directory, those of all sets and links; at first the two above them too.
    assert flushed[-2:] == [6, 4]


def test_kills_do_not_pile_anything_up(data_dir: Path) -> None:
    shelf = Shelf(data_dir, "default")
    shelf.put("old", {"cert.pem": b"old"})
    for at in range(1, MORE_THAN_ENOUGH):
        _, error = attempt(faults.killed(at), lambda: shelf.put("new", {"cert.pem": b"new"}))
        assert len(list(shelf.archive.iterdir())) <= generations.KEPT + 1 + MOST_RESTS
        assert len(list(shelf.link.parent.iterdir())) <= 2
        if error is None:
            break
    assert rests(data_dir) == set()


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(
    gateway: Gateway, old: Certificate, new: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
        directory = store.write_live(gateway, new)
    assert in_use(directory) == files_of(new)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277, 0o777])
def test_the_rights_are_exact_whatever_the_umask(
    gateway: Gateway, data_dir: Path, new: Certificate, umask: int
) -> None:
    before = os.umask(umask)
    try:
        directory = store.write_live(gateway, new).resolve()
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes.values()) == {0o600}
    for made in (directory, directory.parent, directory.parent.parent, data_dir / "live"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_what_cannot_be_removed_does_not_turn_success_into_failure(
    gateway: Gateway, data_dir: Path, old: Certificate, new: Certificate
) -> None:
    def fails(_count: int, name: str) -> BaseException | None:
        return OSError(errno.EIO, "broken") if name in {"listdir", "rmdir", "rename"} else None

    with faults.calls(fails):
        assert deploying.install(gateway, new, timezone.now())
    assert (in_use(data_dir / "live" / "default"), selected(gateway)) == (files_of(new), new)


def test_failed_attempts_keep_the_sets_that_were_in_use(
    gateway: Gateway, data_dir: Path, old: Certificate, new: Certificate
) -> None:
    archive = data_dir / "archive" / "default"
    for _ in range(generations.KEPT):
        store.write_live(gateway, old)
    before = {path.name for path in archive.iterdir()}

    def fails(_count: int, name: str) -> BaseException | None:
        return OSError(errno.EACCES, "forbidden") if name == "symlink" else None

    for _ in range(generations.KEPT):
        with faults.calls(fails), pytest.raises(ProblemError):
            store.write_live(gateway, new)
    assert {path.name for path in archive.iterdir()} == before


# The transaction around it


class LeaseError(Exception):
    """Stands for whatever ends a transaction after the files were written."""


def install_and_fail(gateway: Gateway, certificate: Certificate) -> None:
    with deploying.changing(gateway.pk):
        deploying.install(gateway, certificate, timezone.now())
        raise LeaseError


def test_when_the_transaction_fails_the_files_are_again_those_before(
    gateway: Gateway, data_dir: Path, old: Certificate, new: Certificate
) -> None:
    with pytest.raises(LeaseError):
        install_and_fail(gateway, new)
    assert (in_use(data_dir / "live" / "default"), selected(gateway)) == (files_of(old), old)


def test_when_a_first_installation_fails_later_no_files_are_in_use(
    gateway: Gateway, data_dir: Path, new: Certificate
) -> None:
    with pytest.raises(LeaseError):
        install_and_fail(gateway, new)
    assert not (data_dir / "live" / "default").is_symlink()
    assert selected(gateway) is None


def test_what_others_have_put_into_use_since_the_failure_stays(
    gateway: Gateway,
    data_dir: Path,
    old: Certificate,
    new: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    third = store_leaf(gateway)
    connection = transaction.get_connection()
    roll_back = connection.savepoint_rollback

    def others_are_faster(savepoint: str) -> None:
        roll_back(savepoint)
        store.write_live(gateway, third)

    monkeypatch.setattr(connection, "savepoint_rollback", others_are_faster)
    with pytest.raises(LeaseError):
        install_and_fail(gateway, new)
    assert in_use(data_dir / "live" / "default") == files_of(third)


@pytest.mark.parametrize("number", faults.ERRORS, ids=lambda number: errno.errorcode[number])
def test_files_that_could_not_be_put_back_are_repaired_later(
    gateway: Gateway, data_dir: Path, old: Certificate, new: Certificate, number: int
) -> None:
    with faults.calls(faults.none) as calls, pytest.raises(LeaseError):
        install_and_fail(gateway, new)
    written = calls.made.index("symlink", calls.made.index("symlink") + 1)
    with faults.calls(faults.lasting(written, number)), pytest.raises(LeaseError):
        install_and_fail(gateway, new)
    assert in_use(data_dir / "live" / "default") == files_of(new)
    assert repairing.repair(timezone.now()) == 1
    assert (in_use(data_dir / "live" / "default"), selected(gateway)) == (files_of(old), old)
