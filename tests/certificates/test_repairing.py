"""The files in use are made what the rows say; what cannot be is a warning while it lasts."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from certificates import deploying, events, repairing, store
from certificates.models import Certificate, Event, Gateway, Level
from challenges.problems import Problem
from tests.certificates.chains import store_leaf
from tests.console import make_gateway
from tests.parts import faults


@pytest.fixture
def selected(gateway: Gateway, data_dir: Path) -> Certificate:
    """The certificate that the row names; its files are not in use."""
    certificate = store_leaf(gateway)
    deploying.install(gateway, certificate, timezone.now())
    store.live_directory(gateway).unlink()
    Event.objects.all().delete()
    return certificate


def problem_of(gateway: Gateway) -> Problem | None:
    """What is kept with the gateway."""
    facts = Gateway.objects.get(pk=gateway.pk).files_problem
    return Problem.from_json(facts) if facts else None


def repair_on(number: int, *, only_known: bool = False) -> int:
    """A repair while the disk answers every change with that error."""
    with faults.calls(faults.lasting(0, number)):
        return repairing.repair(timezone.now(), only_known=only_known)


def test_what_lasts_is_logged_once_and_kept_until_it_is_over(
    gateway: Gateway, selected: Certificate
) -> None:
    for _ in range(5):
        assert repair_on(errno.ENOSPC) == 0
    assert [event.code for event in Event.objects.all()] == ["certificate-files-wrong"]
    problem = problem_of(gateway)
    assert problem is not None
    assert (problem.code, problem.retryable) == ("certificate-files-wrong", True)
    assert "mail.example.com" in problem.explanation
    assert "No space left on device" in problem.explanation
    assert problem.remedy
    assert repairing.repair(timezone.now()) == 1
    assert problem_of(gateway) is None
    assert store.is_live(gateway, selected)
    assert [event.code for event in Event.objects.order_by("pk")] == [
        "certificate-files-wrong",
        "certificate-files-repaired",
    ]
    assert repairing.repair(timezone.now()) == 0


def test_another_reason_is_news(gateway: Gateway, selected: Certificate) -> None:
    for number in (errno.ENOSPC, errno.ENOSPC, errno.EROFS, errno.EROFS):
        repair_on(number)
    messages = Event.objects.order_by("pk").values_list("message", flat=True)
    assert ["No space" in message for message in messages] == [True, False]
    assert ["Read-only" in message for message in messages] == [False, True]


def test_only_those_known_can_be_looked_at(gateway: Gateway, selected: Certificate) -> None:
    assert repairing.repair(timezone.now(), only_known=True) == 0
    assert not store.is_live(gateway, selected)
    repair_on(errno.EIO)
    repair_on(errno.EIO, only_known=True)
    assert problem_of(gateway) is not None
    assert repairing.repair(timezone.now(), only_known=True) == 1
    assert store.is_live(gateway, selected)


def test_without_any_known_one_it_costs_one_query(
    gateway: Gateway,
    selected: Certificate,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        repairing.repair(timezone.now(), only_known=True)


def test_a_successful_installation_ends_the_problem(
    gateway: Gateway, selected: Certificate
) -> None:
    repair_on(errno.EIO)
    deploying.install(gateway, store_leaf(gateway), timezone.now())
    assert problem_of(gateway) is None


def test_files_that_somebody_else_has_put_right_end_the_problem(
    gateway: Gateway, selected: Certificate
) -> None:
    repair_on(errno.EIO)
    store.write_live(gateway, selected)
    in_use = store.live_directory(gateway).readlink()
    assert repairing.repair(timezone.now()) == 1
    assert problem_of(gateway) is None
    assert store.live_directory(gateway).readlink() == in_use


@pytest.mark.parametrize("name", ["fullchain.pem", "cert.pem", "chain.pem", "privkey.pem"])
@pytest.mark.parametrize("content", [b"", b"somebody's", None])
def test_every_file_is_looked_at(
    gateway: Gateway, selected: Certificate, name: str, content: bytes | None
) -> None:
    file = store.write_live(gateway, selected) / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert repairing.repair(timezone.now()) == 1
    assert store.is_live(gateway, selected)


def test_files_whose_key_cannot_be_opened_are_in_order_as_they_are(
    gateway: Gateway, selected: Certificate
) -> None:
    store.write_live(gateway, selected)
    Certificate.objects.update(sealed_key="v1.gone.gone")
    assert repairing.repair(timezone.now()) == 0
    store.live_directory(gateway).unlink()
    assert repairing.repair(timezone.now()) == 0
    problem = problem_of(gateway)
    assert problem is not None
    assert (problem.code, problem.retryable) == ("certificate-files-wrong", True)


def test_what_was_installed_meanwhile_is_not_undone(
    gateway: Gateway, selected: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = store_leaf(gateway)
    in_disorder = repairing._in_disorder

    def slowly(*, only_known: bool) -> list[int]:
        found = in_disorder(only_known=only_known)
        deploying.install(gateway, newer, timezone.now())
        return found

    monkeypatch.setattr(repairing, "_in_disorder", slowly)
    assert repairing.repair(timezone.now()) == 0
    assert store.is_live(gateway, newer)


def test_a_database_that_cannot_be_written_does_not_keep_the_next_from_being_looked_at(
    gateway: Gateway, selected: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_gateway("other", "other.example.com")
    deploying.install(other, store_leaf(other), timezone.now())
    store.live_directory(other).unlink()
    record = events.record

    def full_for_the_first(*arguments: str, gateway: Gateway, **options: object) -> Event:
        if gateway.slug == "default":
            raise DatabaseError("database or disk is full")
        return record(*arguments, gateway=gateway, level=Level.WARNING)

    monkeypatch.setattr(events, "record", full_for_the_first)
    assert repairing.repair(timezone.now()) == 1
    # The row could not be written, so it still says what it said, and the files say the same.
    assert not store.live_directory(gateway).is_symlink()
    assert store.live_directory(other).is_symlink()
