"""Installs certificates on a disk that is really full, read-only or forbidden: `… MODE DIRECTORY`.

Where there is something to mount it runs in a mount namespace of its own. Prints as JSON how the
installations ended; whatever is not as promised ends it with a traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

MODE, DIRECTORY = sys.argv[1], Path(sys.argv[2])
DISK = DIRECTORY / "disk"
DATA = DISK / "data"
KIB = 1024
# Measured: an installation on a fresh journal takes about 120 KiB.
MOST_LEFT = 240 * KIB
STEP = 4 * KIB

os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.settings"
os.environ["GATEWAY_ADMIN_DATA_DIR"] = str(DATA)
if MODE != "full":
    # What is tested there is the files: the database stays writable.
    os.environ["DATABASE_URL"] = f"sqlite:///{DIRECTORY / 'db.sqlite3'}"

import django

django.setup()

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from certificates import deploying, disk, keys, pem, store
from certificates.models import Certificate, Gateway
from challenges.problems import ProblemError
from gateway_admin.data_directory import prepare
from tests.certificates.chains import store_leaf


def attempt(certificate: Certificate) -> Callable[[], str]:
    """Install; what is returned says how it ended and is called once the disk is well again.

    In any case the files in use were, while the disk was ill, those of the certificate that the
    row names.
    """
    ended = "installed"
    try:
        deploying.install(Gateway.objects.get(), certificate, timezone.now())
    except ProblemError as error:
        ended = error.problem.code
    except DatabaseError:
        ended = "database-not-written"
    files = files_in_use()

    def check() -> str:
        # A full disk keeps SQLite from reading, too, and from opening its file.
        connection.close()
        row = Gateway.objects.get()
        assert row.selected_certificate is not None
        assert (row.selected_certificate == certificate) is (ended == "installed"), ended
        assert files == files_in_use() == files_of(row.selected_certificate), ended
        return ended

    return check


def install(certificate: Certificate) -> str:
    """Install while the disk is well."""
    return attempt(certificate)()


def files_in_use() -> dict[str, bytes]:
    """Every file that a service finds."""
    return {path.name: path.read_bytes() for path in (DATA / "live" / "default").iterdir()}


def files_of(certificate: Certificate) -> dict[str, bytes]:
    """What has to be there, made without the store's help."""
    chain = pem.split(certificate.chain_pem.encode())
    return {
        "fullchain.pem": pem.to_pem(chain).encode(),
        "cert.pem": pem.to_pem(chain[:1]).encode(),
        "chain.pem": pem.to_pem(chain[1:]).encode(),
        "privkey.pem": keys.to_pem(store.private_key(certificate)),
    }


def code_of_require_space() -> str | None:
    """The problem that keeps an issuance from going on."""
    try:
        disk.require_space()
    except ProblemError as error:
        return error.problem.code
    return None


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk that has only so many bytes left."""
    with connection.cursor() as cursor:
        # Else the journal has room of its own from earlier.
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ballast = DISK / "ballast"
    facts = os.statvfs(DISK)
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, facts.f_bavail * facts.f_frsize - size)
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """A disk that was mounted anew, as the kernel does when it finds it broken."""
    connection.close()
    _run("mount", "-o", "remount,ro", str(DISK))
    try:
        yield
    finally:
        _run("mount", "-o", "remount,rw", str(DISK))


@contextlib.contextmanager
def forbidden(directory: Path) -> Iterator[None]:
    """A directory in which this user may not write."""
    before = directory.stat().st_mode
    directory.chmod(0o500)
    try:
        with contextlib.suppress(PermissionError):
            (directory / "x").touch()
            raise AssertionError("this user may write everywhere")
        yield
    finally:
        directory.chmod(before)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def when_full(old: Certificate, new: Certificate) -> Counter[str]:
    """With every amount of room from none to enough."""
    ended: Counter[str] = Counter()
    for size in range(0, MOST_LEFT, STEP):
        with room_for(size):
            assert code_of_require_space() == "disk-full"
            check = attempt(new)
        ended[check()] += 1
        assert install(old) == "installed"
    return ended


def when_read_only(_old: Certificate, new: Certificate) -> Counter[str]:
    """On a disk that is mounted read-only."""
    with read_only():
        assert code_of_require_space() == "data-directory-not-writable"
        check = attempt(new)
    return Counter([check()])


def when_forbidden(old: Certificate, new: Certificate) -> Counter[str]:
    """With each of the directories forbidden in its turn."""
    ended: Counter[str] = Counter()
    archive, live = DATA / "archive", DATA / "live"
    for directory in (DATA, archive, live):
        with forbidden(directory):
            assert code_of_require_space() == "data-directory-not-writable"
    for directory in (archive / "default", live):
        with forbidden(directory):
            check = attempt(new)
        ended[check()] += 1
        assert install(old) == "installed"
    return ended


def main() -> None:
    """Prepare the disk, do what the mode says, and then install without a fault."""
    DISK.mkdir()
    if MODE != "forbidden":
        _run("mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(DISK))
    DATA.mkdir()
    prepare(settings.CONFIGURATION)
    gateway, _ = Gateway.objects.get_or_create(
        slug=Gateway.DEFAULT_SLUG, defaults={"hostname": "mail.example.com"}
    )
    old, new = store_leaf(gateway), store_leaf(gateway)
    assert deploying.install(gateway, old, timezone.now())
    act = {"full": when_full, "read-only": when_read_only, "forbidden": when_forbidden}[MODE]
    ended = act(old, new)
    assert code_of_require_space() is None
    assert install(new) == "installed"
    assert not [
        path for path in DATA.rglob(".*") if "archive" in path.parts or "live" in path.parts
    ]
    json.dump(ended, sys.stdout)


if __name__ == "__main__":
    main()
