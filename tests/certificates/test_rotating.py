"""The keys for encryption at rest are rotated and forgotten, and nothing that is stored is lost.

What happens when it is killed, and while others write, is in test_killed_rotation.py.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone
from pytest_django import Settings

from certificates import keys, pem, preparing, resealing, rotating, sealing, store
from certificates.accounts import sealing_purpose
from certificates.models import (
    Account,
    Certificate,
    CertificateRequest,
    Event,
    Gateway,
    Order,
)
from certificates.policy.keys import KeyType
from certificates.policy.rotation import Row
from challenges.problems import ProblemError
from tests.certificates.chains import store_leaf
from tests.console import make_issuance

NOW = timezone.now()
DAY = datetime.timedelta(days=1)
ACCOUNT_KEY = b"an account's key"


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    """A file of our own with one key, and the settings that name it."""
    file = tmp_path / "secrets" / "encryption_keys"
    file.parent.mkdir(mode=0o700)
    file.write_text(f"{sealing.new_key()}\n")
    file.chmod(0o600)
    settings.ENCRYPTION_KEYS_FILE = file
    settings.READ_ENCRYPTION_KEYS = file.read_text
    return file


@pytest.fixture
def rows(key_file: Path, gateway: Gateway) -> tuple[Certificate, Order, CertificateRequest]:
    """One row of each kind that holds a sealed key; the account's is in the database as well."""
    account = Account.objects.create(
        directory_url="https://ca.example/directory",
        thumbprint="thumb",
        sealed_key=sealing.seal(ACCOUNT_KEY, sealing_purpose("thumb")),
    )
    key = keys.generate(KeyType.ECDSA_P256)
    content = {
        "csr_pem": pem.csr_to_pem(keys.make_csr(key, gateway.names)),
        "sealed_key": store.seal_key(keys.to_der(key), key.public_key()),
    }
    issuance = make_issuance(gateway)
    return (
        store_leaf(gateway),
        Order.objects.create(
            issuance=issuance, account=account, environment="production", **content
        ),
        CertificateRequest.objects.create(
            gateway=gateway, names=gateway.names, key_type="ecdsa-p256", **content
        ),
    )


def ring(file: Path) -> tuple[bytes, ...]:
    """The keys in the file."""
    return sealing.read_keys(file.read_text())


def sealed() -> Iterator[tuple[Row, str]]:
    """Every sealed text."""
    for column in resealing.SEALED:
        for pk, text in column.rows.values_list("pk", column.name):
            yield column.row(pk), text


def opened() -> dict[str, bytes]:
    """Every secret, as those read it who use it."""
    account, order = Account.objects.get(), Order.objects.get()
    request = CertificateRequest.objects.get()
    purpose = keys.sealing_purpose(preparing.csr_of(order).public_key())
    return {
        "account": sealing.unseal(account.sealed_key, sealing_purpose(account.thumbprint)),
        "certificate": store.private_key(Certificate.objects.get()),
        "order": preparing.key_of(order),
        "request": sealing.unseal(request.sealed_key, purpose),
    }


def refusal(now: datetime.datetime, *, forgets: bool = True) -> str:
    """The code of the Problem that it ends in."""
    with pytest.raises(ProblemError) as caught:
        (rotating.forget_old if forgets else rotating.rotate)(now)
    assert caught.value.problem.remedy
    return caught.value.problem.code


def test_every_sealed_column_of_every_model_is_known() -> None:
    found = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name.startswith("sealed")
    }

    assert found == {(column.model, column.name) for column in resealing.SEALED}


# Rotating


@pytest.mark.usefixtures("rows")
def test_everything_is_sealed_with_a_new_key_and_the_old_one_stays(key_file: Path) -> None:
    (old,), before = ring(key_file), opened()

    done = rotating.rotate(NOW)

    new, kept = ring(key_file)
    assert kept == old
    assert done == rotating.Rotated(
        key=sealing.key_id(new),
        is_new=True,
        is_given=False,
        kept=(sealing.key_id(old),),
        forgotten=(),
        resealed=4,
        unopened=(),
    )
    assert all(text.startswith(sealing.prefix(new)) for _, text in sealed())
    assert opened() == before
    assert Event.objects.get().code == "encryption-keys-rotated"


@pytest.mark.usefixtures("rows")
def test_each_rotation_makes_another_key(key_file: Path) -> None:
    before = opened()
    made = [rotating.rotate(NOW).key for _ in range(3)]

    assert [sealing.key_id(key) for key in ring(key_file)][:3] == made[::-1]
    assert len(ring(key_file)) == 4
    assert opened() == before


def test_what_was_interrupted_is_finished_with_its_key(
    key_file: Path, rows: tuple[Certificate, Order, CertificateRequest]
) -> None:
    certificate, _, _ = rows
    first = rotating.rotate(NOW)
    # As it was before, which is where the first one might have been killed.
    Certificate.objects.update(sealed_key=certificate.sealed_key)

    again = rotating.rotate(NOW)

    assert (again.key, again.is_new, again.resealed) == (first.key, False, 1)
    assert len(ring(key_file)) == 2


def test_a_day_later_what_another_process_has_left_does_not_keep_from_a_new_key(
    key_file: Path, rows: tuple[Certificate, Order, CertificateRequest]
) -> None:
    certificate, _, _ = rows
    first = rotating.rotate(NOW)
    Certificate.objects.update(sealed_key=certificate.sealed_key)

    again = rotating.rotate(timezone.now() + DAY)

    assert again.is_new
    assert again.key != first.key
    assert again.resealed == 4
    assert len(ring(key_file)) == 3


@pytest.mark.usefixtures("rows")
def test_what_no_key_opens_is_told_and_stays_as_it_is(key_file: Path) -> None:
    certificate, order = Certificate.objects.get(), Order.objects.get()
    foreign = sealing.seal(b"x", "certificate-key:another")
    Certificate.objects.update(sealed_key=foreign)
    Order.objects.update(sealed_key="v1.gone.gone")

    done = rotating.rotate(NOW)

    assert done.unopened == (Row("certificate", certificate.pk), Row("order", order.pk))
    assert done.resealed == 2
    assert Certificate.objects.get().sealed_key == foreign
    assert Order.objects.get().sealed_key == "v1.gone.gone"
    assert (
        Event.objects.get().detail == f"Could not be opened: {', '.join(map(str, done.unopened))}."
    )


@pytest.mark.usefixtures("rows", "key_file")
def test_what_cannot_be_read_beside_it_is_told_as_well() -> None:
    Certificate.objects.update(chain_pem="nothing")
    Order.objects.update(csr_pem="nothing")

    assert {row.model for row in rotating.rotate(NOW).unopened} == {"certificate", "order"}


@pytest.mark.usefixtures("rows")
def test_what_another_process_stores_meanwhile_is_not_overwritten(key_file: Path) -> None:
    (old,) = ring(key_file)
    new = bytes(32)
    newer = sealing.seal(b"another key", sealing_purpose("thumb"), (old,))
    written: list[int] = []

    def meanwhile(thumbprint: str) -> str:
        if not written:
            written.append(Account.objects.update(sealed_key=newer))
        return sealing_purpose(thumbprint)

    column = next(each for each in resealing.SEALED if each.model is Account)
    resealed, unopened = resealing.reseal(
        (new, old), [dataclasses.replace(column, purpose=meanwhile)]
    )

    # Not in the first round, which had read what was there before.
    assert (resealed, unopened) == (1, ())
    text = Account.objects.get().sealed_key
    assert sealing.unseal(text, sealing_purpose("thumb"), (new,)) == b"another key"


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.usefixtures("key_file")
def test_any_number_of_rows_is_sealed_anew(
    batch: int, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", batch)
    for _ in range(5):
        store_leaf(gateway)

    assert rotating.rotate(NOW).resealed == 5


# Processes that go on


def test_who_has_worked_with_the_old_keys_seals_with_the_new_one(key_file: Path) -> None:
    sealing.seal(b"before", "purpose")
    (old,) = ring(key_file)
    new = bytes(range(32))
    key_file.write_text(sealing.write_keys((new, old)))

    assert sealing.seal(b"after", "purpose").startswith(sealing.prefix(new))
    assert sealing.unseal(sealing.seal(b"x", "purpose", (new,)), "purpose") == b"x"
    assert sealing.unseal(sealing.seal(b"x", "purpose", (old,)), "purpose") == b"x"


# Forgetting


@pytest.mark.usefixtures("rows")
def test_old_keys_are_forgotten_a_day_after_the_rotation(key_file: Path) -> None:
    before = opened()
    rotating.rotate(NOW)
    rotated = ring(key_file)
    assert refusal(timezone.now() + DAY - datetime.timedelta(minutes=1)) == (
        "encryption-keys-too-recent"
    )
    assert ring(key_file) == rotated

    done = rotating.forget_old(timezone.now() + DAY)

    assert done.forgotten == (sealing.key_id(rotated[1]),)
    assert (done.is_new, done.kept, done.resealed) == (False, (), 0)
    assert ring(key_file) == rotated[:1]
    assert opened() == before
    assert Event.objects.latest("pk").code == "encryption-keys-forgotten"


@pytest.mark.usefixtures("rows")
def test_a_clock_behind_the_files_time_forgets_nothing(key_file: Path) -> None:
    rotating.rotate(NOW)

    assert refusal(NOW - 365 * DAY) == "encryption-keys-too-recent"


def test_what_was_stored_in_between_is_sealed_anew_before_the_old_key_is_forgotten(
    key_file: Path, rows: tuple[Certificate, Order, CertificateRequest]
) -> None:
    certificate, _, _ = rows
    before = opened()
    rotating.rotate(NOW)
    Certificate.objects.update(sealed_key=certificate.sealed_key)

    assert rotating.forget_old(timezone.now() + DAY).resealed == 1
    assert len(ring(key_file)) == 1
    assert opened() == before


@pytest.mark.usefixtures("rows")
def test_a_key_that_something_damaged_names_is_not_forgotten(key_file: Path) -> None:
    Certificate.objects.update(sealed_key=sealing.seal(b"x", "certificate-key:another"))
    rotating.rotate(NOW)
    rotated = ring(key_file)

    assert refusal(timezone.now() + DAY) == "encryption-keys-still-needed"
    assert ring(key_file) == rotated


@pytest.mark.usefixtures("rows")
def test_what_no_key_of_ours_has_sealed_does_not_keep_old_keys(key_file: Path) -> None:
    Certificate.objects.update(sealed_key="v1.gone.gone")
    rotating.rotate(NOW)

    done = rotating.forget_old(timezone.now() + DAY)

    assert len(done.forgotten) == len(done.unopened) == 1
    assert len(ring(key_file)) == 1


@pytest.mark.usefixtures("rows")
def test_without_an_old_key_there_is_nothing_to_forget(key_file: Path) -> None:
    before = key_file.read_bytes()

    assert rotating.forget_old(NOW).forgotten == ()
    assert key_file.read_bytes() == before
    assert not Event.objects.exists()


# Keys that the owner gives


@pytest.mark.usefixtures("rows")
def test_keys_that_the_owner_gives_are_used_and_not_changed(
    key_file: Path, settings: Settings
) -> None:
    (old,) = ring(key_file)
    settings.ENCRYPTION_KEYS_FILE = None
    assert rotating.rotate(NOW).resealed == 0

    new = bytes(range(32))
    key_file.write_text(sealing.write_keys((new, old)))
    before = key_file.read_bytes()
    done = rotating.rotate(NOW)
    forgotten = rotating.forget_old(NOW)

    assert (done.is_given, done.is_new, done.resealed) == (True, False, 4)
    assert forgotten.is_given
    assert forgotten.forgotten == (sealing.key_id(old),)
    assert all(text.startswith(sealing.prefix(new)) for _, text in sealed())
    assert key_file.read_bytes() == before


# The file


@pytest.mark.usefixtures("rows")
def test_the_file_keeps_owner_and_mode_and_leaves_nothing_beside_it(key_file: Path) -> None:
    (key_file.parent / ".encryption_keys.killed").write_text("half a k")
    (key_file.parent / ".other.killed").write_text("not ours")
    key_file.chmod(0o640)
    os.chown(key_file, os.geteuid(), 12345 if os.geteuid() == 0 else -1)
    before, (old,) = key_file.stat(), ring(key_file)

    with key_file.open() as reading:
        rotating.rotate(NOW)
        # A new file each time: whoever had opened it goes on reading all of what it was.
        assert sealing.read_keys(reading.read()) == (old,)

    after = key_file.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert sorted(path.name for path in key_file.parent.iterdir()) == [
        ".other.killed",
        "encryption_keys",
    ]


@pytest.mark.usefixtures("rows")
def test_a_file_that_is_kept_elsewhere_is_changed_there(key_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    key_file.rename(elsewhere / "keys")
    key_file.symlink_to(elsewhere / "keys")

    rotating.rotate(NOW)

    assert key_file.is_symlink()
    assert len(ring(elsewhere / "keys")) == 2


@pytest.mark.usefixtures("rows")
def test_a_file_that_cannot_be_written_changes_nothing(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, texts = key_file.read_bytes(), list(sealed())

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)

    assert refusal(NOW, forgets=False) == "encryption-keys-not-written"
    assert key_file.read_bytes() == before
    assert list(sealed()) == texts
    assert list(key_file.parent.iterdir()) == [key_file]


@pytest.mark.usefixtures("rows")
def test_only_one_at_a_time_changes_the_file(key_file: Path) -> None:
    hold = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDONLY);"
        "fcntl.flock(d, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, key_file.parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        before = key_file.read_bytes()

        assert refusal(NOW, forgets=False) == "rotation-running"
        assert refusal(NOW) == "rotation-running"

        assert key_file.read_bytes() == before
        other.communicate()
    assert rotating.rotate(NOW).is_new
