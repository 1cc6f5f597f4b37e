"""Rotations that are killed, writers that go on meanwhile, and what can be opened afterwards.

One command on each line of standard input, one answer on each of standard output, as JSON. Each
rotation and each writer is a process forked from this one, so that it dies by a real SIGKILL and
takes its memory with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import gc
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

import django

django.setup()

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from certificates import keys, pem, resealing, rotating, sealing, store
from certificates.accounts import sealing_purpose
from certificates.models import (
    Account,
    Certificate,
    CertificateRequest,
    Gateway,
    Issuance,
    Order,
    Origin,
)
from certificates.policy.issuance import State
from certificates.policy.keys import KeyType
from challenges.problems import ProblemError
from tests.certificates.chains import make_chain

# Less than there are rows, so that a rotation takes several transactions for each kind.
resealing.BATCH = 2
STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
ENDED, FAULT = 0, 4


@dataclasses.dataclass(frozen=True)
class Worked:
    """How a process ended, and how many moments it passed at which it could have been killed."""

    killed: bool
    status: int
    moments: int


@dataclasses.dataclass(frozen=True)
class Stored:
    """What is stored: how many secrets, those that do not open, and those not under the newest."""

    rows: int
    lost: list[str]
    stale: int
    keys: int


class Moments:
    """Counts what a process does to files and to the database, and kills it where told."""

    # The calls that matter to a file, and where those stand that a rotation makes.
    CALLS = frozenset({"open", "write", "fsync", "close", "rename", "replace", "unlink"})
    CALLERS = ("/certificates/disk.py", "/pathlib.py", "/tempfile.py")

    def __init__(self, dies_at: int) -> None:
        self.passed = 0
        self._dies_at = dies_at

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """From here on."""
        with connection.execute_wrapper(self._on_statement):
            sys.setprofile(self._on_call)
            try:
                yield
            finally:
                sys.setprofile(None)

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _on_call(self, frame: FrameType, event: str, function: Any) -> None:
        if (
            event in {"c_call", "c_return"}
            and function.__name__ in self.CALLS
            and frame.f_code.co_filename.endswith(self.CALLERS)
        ):
            self._pass()

    def _on_statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self._pass()
        try:
            return execute(*arguments)
        finally:
            # Done, and not yet committed.
            self._pass()


def key_file() -> Path:
    """The file that is rotated."""
    return Path(str(settings.ENCRYPTION_KEYS_FILE))


def fill(count: int) -> None:
    """So many rows of each kind, each with its secret."""
    gateway = Gateway.objects.create(slug="gateway", hostname="mail.example.test")
    issuance = Issuance.objects.create(
        gateway=gateway,
        state=State.DONE,
        names=gateway.names,
        trigger="manual",
        key_type="ecdsa-p256",
        started_at=timezone.now(),
    )
    for number in range(count):
        account = Account(directory_url=f"https://ca.example/{number}", thumbprint=str(number))
        _renew(account, "first@example.test")
        account.save()
        leaf = make_chain(f"mail{number}.example.test")
        store.add(gateway, pem.facts(leaf.chain), leaf.key_der, Origin.IMPORTED)
        key = keys.generate(KeyType.ECDSA_P256)
        request = pem.csr_to_pem(keys.make_csr(key, gateway.names))
        sealed = store.seal_key(keys.to_der(key), key.public_key())
        Order.objects.create(
            issuance=issuance,
            account=account,
            environment="staging",
            status="invalid",
            csr_pem=request,
            sealed_key=sealed,
        )
        CertificateRequest.objects.create(
            gateway=gateway,
            names=gateway.names,
            key_type="ecdsa-p256",
            csr_pem=request,
            sealed_key=sealed,
            spki_sha256=keys.spki_sha256(key.public_key()),
        )


def rotate(*, dies_at: int = 0, dies_after: float = 0.0) -> Worked:
    """A rotation, killed at that moment or after so many seconds; 0 for neither."""
    return _work(lambda: rotating.rotate(timezone.now()), dies_at, dies_after)


def forget(*, dies_at: int = 0, dies_after: float = 0.0) -> Worked:
    """The same two days later, to forget the old keys."""
    later = timezone.now() + datetime.timedelta(days=2)
    return _work(lambda: rotating.forget_old(later), dies_at, dies_after)


def complete(*, forgets: bool) -> None:
    """A rotation by this process, which is not killed: of one that lives on nothing is counted."""
    rotating.rotate(timezone.now())
    if forgets:
        rotating.forget_old(timezone.now() + datetime.timedelta(days=2))


def start_writer() -> int:
    """A process that stores new secrets all the while; returns its number."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        _in_child(_write_until_told)
    return pid


def stop_writer(pid: int) -> int:
    """Tell it to end; its exit status, 0 if it could always open what it had stored."""
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def look() -> Stored:
    """Open everything with the keys as they are in the file now."""
    ring = sealing.read_keys(key_file().read_text())
    lost = [what for what, is_open in _opened(ring) if not is_open]
    texts = [
        text
        for column in resealing.SEALED
        for text in column.rows.values_list(column.name, flat=True)
    ]
    stale = sum(not text.startswith(sealing.prefix(ring[0])) for text in texts)
    return Stored(rows=len(texts), lost=lost, stale=stale, keys=len(ring))


def _opened(ring: tuple[bytes, ...]) -> Iterator[tuple[str, bool]]:
    """Each secret, and whether it opens and is the right one."""
    for account in Account.objects.all():
        yield repr(account), _is(account, ring, account.contact_email.encode())
    for certificate in Certificate.objects.all():
        leaf = x509.load_pem_x509_certificate(certificate.chain_pem.encode())
        yield repr(certificate), _fits(certificate.sealed_key, ring, leaf.public_key())
    for rows in (Order.objects.all(), CertificateRequest.objects.all()):
        for row in rows:
            request = x509.load_pem_x509_csr(row.csr_pem.encode())
            yield repr(row), _fits(row.sealed_key, ring, request.public_key())


def _is(account: Account, ring: tuple[bytes, ...], secret: bytes) -> bool:
    with contextlib.suppress(ProblemError):
        purpose = sealing_purpose(account.thumbprint)
        return sealing.unseal(account.sealed_key, purpose, ring) == secret
    return False


def _fits(sealed: str, ring: tuple[bytes, ...], public_key: PublicKeyTypes) -> bool:
    with contextlib.suppress(ProblemError):
        secret = sealing.unseal(sealed, keys.sealing_purpose(public_key), ring)
        return keys.load_der(secret).public_key() == public_key
    return False


def _renew(account: Account, secret: str) -> None:
    """What is sealed stands beside it in the clear, to be compared."""
    account.contact_email = secret
    account.sealed_key = sealing.seal(secret.encode(), sealing_purpose(account.thumbprint))


def _work(step: Callable[[], object], dies_at: int, dies_after: float) -> Worked:
    connections.close_all()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _in_child(lambda: _counted(step, dies_at, writing))
    os.close(writing)
    if dies_after:
        time.sleep(dies_after)
        # Not waited for yet, so that the number is still its own.
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading) as said:
        moments = said.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Worked(killed=status == -signal.SIGKILL, status=status, moments=int(moments or 0))


def _counted(step: Callable[[], object], dies_at: int, writing: int) -> None:
    moments = Moments(dies_at)
    with moments.watching():
        step()
    os.write(writing, str(moments.passed).encode())


def _write_until_told() -> None:
    """Seals first and stores a little later, as those do who wait for the database's lock."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    chance = random.Random(1)
    numbers = list(Account.objects.values_list("pk", flat=True))
    for count in itertools.count():
        account = Account.objects.get(pk=chance.choice(numbers))
        assert _is(account, sealing.keyring(), account.contact_email.encode()), account
        _renew(account, f"{count}@example.test")
        time.sleep(chance.uniform(0.0, 0.01))
        account.save(update_fields=["contact_email", "sealed_key"])
        if told:
            return


def _in_child(work: Callable[[], None]) -> NoReturn:
    # One that never ends must not keep whoever waits for it.
    signal.alarm(60)
    status = FAULT
    try:
        work()
        status = ENDED
    except BaseException:
        # Never back into the parent's loop, where this process would read its commands.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action
    for action in (fill, rotate, forget, complete, start_writer, stop_writer, look)
}


def main() -> None:
    """Do what each line says, until there is none."""
    # What is there already is in no child's way: its pages stay shared.
    gc.freeze()
    # The product's own log goes where it does not mix with the answers.
    answers = os.fdopen(os.dup(STANDARD_OUTPUT), "w")
    os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    for line in sys.stdin:
        command = json.loads(line)
        answer = ACTIONS[command.pop("action")](**command)
        if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
            answer = dataclasses.asdict(answer)
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
