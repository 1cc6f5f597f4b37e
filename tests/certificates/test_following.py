"""A certificate that follows files: what is new in them is used, what is broken changes nothing."""

from __future__ import annotations

import dataclasses
import datetime
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from certificates import deploying, following, queries, store, versions, watched_files
from certificates.models import (
    Certificate,
    CertificateSource,
    Event,
    FollowedFiles,
    Gateway,
    Origin,
)
from certificates.patience import Asker
from certificates.watched_files import Question, Seen
from challenges.problems import Problem, ProblemError
from tests.certificates.chains import Link, make_chain, make_leaf, new_key, store_leaf
from tests.certificates.engine import DAY, HOUR, MINUTE
from tests.console import make_gateway

HALF_A_MINUTE = datetime.timedelta(seconds=30)


@pytest.fixture
def directory(tmp_path: Path, data_dir: Path, settings: Settings) -> Path:
    """The one directory whose files may be followed."""
    allowed = tmp_path / "other-tool"
    allowed.mkdir()
    allow(settings, allowed)
    return allowed


@pytest.fixture
def now() -> datetime.datetime:
    """The moment at which it begins."""
    return timezone.now()


def allow(settings: Settings, *directories: Path) -> None:
    """What the machine's owner allows."""
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, certificate_directories=directories
    )


def put(directory: Path, leaf: Link, key: Link | None = None) -> tuple[str, str]:
    """The other tool's files, replaced one after the other; returns their paths."""
    files = {"fullchain.pem": leaf.chain_pem, "privkey.pem": (key or leaf).key_pem()}
    for name, content in files.items():
        fresh = directory / ".fresh"
        fresh.write_bytes(content)
        fresh.replace(directory / name)
    return str(directory / "fullchain.pem"), str(directory / "privkey.pem")


def followed(gateway: Gateway) -> FollowedFiles:
    """The row."""
    return FollowedFiles.objects.select_related("certificate").get(gateway=gateway)


def problem_of(gateway: Gateway) -> Problem | None:
    """What pages are told."""
    return queries.followed(Gateway.objects.get(pk=gateway.pk)).problem


def in_use(gateway: Gateway) -> Certificate:
    """The selected certificate, whose files are live."""
    row = Gateway.objects.select_related("selected_certificate").get(pk=gateway.pk)
    assert row.selected_certificate is not None
    assert store.is_live(row, row.selected_certificate)
    return row.selected_certificate


def codes() -> list[str]:
    """Of the log, oldest first."""
    return list(Event.objects.order_by("pk").values_list("code", flat=True))


def refusal(gateway: Gateway, certificate_path: str, key_path: str = "") -> Problem:
    """Why these files are not followed; and then nothing is stored."""
    before = Certificate.objects.count(), Event.objects.count(), FollowedFiles.objects.count()
    with pytest.raises(ProblemError) as caught:
        following.follow(gateway, certificate_path, key_path, timezone.now())
    assert before == (
        Certificate.objects.count(),
        Event.objects.count(),
        FollowedFiles.objects.count(),
    )
    return caught.value.problem


def test_what_is_in_the_files_is_used_at_once(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    leaf = make_chain(*gateway.names)
    row = following.follow(gateway, *put(directory, leaf), now, by="ada")
    gateway.refresh_from_db()
    assert gateway.certificate_source == CertificateSource.MANUAL
    assert in_use(gateway) == row.certificate
    assert store.private_key(in_use(gateway)) == leaf.key_der
    assert codes()[-1] == "files-followed"
    assert "by ada" in Event.objects.order_by("-pk")[0].message


def test_the_key_may_be_in_the_same_file(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    leaf = make_chain(*gateway.names)
    (directory / "all.pem").write_bytes(leaf.key_pem() + leaf.chain_pem)
    assert following.follow(gateway, str(directory / "all.pem"), "", now).certificate == in_use(
        gateway
    )


def test_a_new_certificate_in_the_files_is_used_at_the_next_look(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    first = in_use(gateway)
    newer = make_chain(*gateway.names)
    put(directory, newer)
    assert following.look(now + HALF_A_MINUTE) == 1
    second = in_use(gateway)
    assert store.private_key(second) == newer.key_der
    assert second.replaces == first
    assert followed(gateway).certificate == second
    assert Gateway.objects.get(pk=gateway.pk).certificate_source == CertificateSource.MANUAL
    assert codes()[-1] == "followed-files-changed"
    assert "It is in use." in Event.objects.order_by("-pk")[0].message
    assert following.look(now + MINUTE) == 0


def test_renewals_go_on_for_ever(gateway: Gateway, directory: Path, now: datetime.datetime) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    for _ in range(3):
        put(directory, make_chain(*gateway.names))
        assert following.look(now) == 1
    assert len(versions.of(in_use(gateway))) == 4


def test_nothing_is_read_while_nothing_has_changed(
    gateway: Gateway,
    directory: Path,
    now: datetime.datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    following.look(now)
    before = codes()
    with django_assert_num_queries(2):
        following.look(now + HALF_A_MINUTE)
    assert codes() == before
    assert followed(gateway).checked_at == now + HALF_A_MINUTE


def test_the_same_certificate_written_anew_is_no_news(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    leaf = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, leaf), now)
    before = codes()
    put(directory, leaf)
    assert following.look(now) == 0
    assert codes() == before
    assert Certificate.objects.count() == 1


def test_files_that_are_half_written_are_given_a_minute(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first, newer = make_chain(*gateway.names), make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    before = codes()
    put(directory, newer, key=first)
    for seconds in (0, 30, 59):
        following.look(now + datetime.timedelta(seconds=seconds))
        assert problem_of(gateway) is None
    put(directory, newer)
    assert following.look(now + 3 * HALF_A_MINUTE) == 1
    assert store.private_key(in_use(gateway)) == newer.key_der
    assert problem_of(gateway) is None
    assert codes()[len(before) :] == ["certificate-imported", "followed-files-changed"]


def test_a_broken_file_is_a_warning_once_it_has_lasted_and_the_old_one_stays_in_use(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    certificate = in_use(gateway)
    put(directory, make_chain(*gateway.names), key=first)
    for looks in range(3):
        following.look(now + looks * HALF_A_MINUTE)
    problem = problem_of(gateway)
    assert problem is not None
    assert (problem.code, problem.severity) == ("followed-files-unusable", "warning")
    assert "key-does-not-match" in problem.detail
    assert gateway.hostname in problem.explanation
    assert in_use(gateway) == certificate
    assert codes().count("followed-files-unusable") == 1
    for looks in range(3, 60):
        following.look(now + looks * HALF_A_MINUTE)
    assert codes().count("followed-files-unusable") == 1


def test_what_is_wrong_ends_when_the_files_are_in_order_again(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    put(directory, make_chain(*gateway.names), key=first)
    following.look(now)
    following.look(now + MINUTE)
    assert problem_of(gateway) is not None
    put(directory, first)
    following.look(now + 2 * MINUTE)
    assert problem_of(gateway) is None
    assert codes()[-1] == "followed-files-in-order"


def test_files_that_never_settle_are_a_warning_all_the_same(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    for looks in range(4):
        put(directory, make_chain(*gateway.names), key=first)
        following.look(now + looks * HALF_A_MINUTE)
    assert problem_of(gateway) is not None


def no_certificate(directory: Path, gateway: Gateway) -> None:
    (directory / "fullchain.pem").write_text("nothing of the kind: s3cret-of-another-program")


def no_file(directory: Path, gateway: Gateway) -> None:
    (directory / "fullchain.pem").unlink()


def a_pipe(directory: Path, gateway: Gateway) -> None:
    (directory / "privkey.pem").unlink()
    os.mkfifo(directory / "privkey.pem")


def a_link_out(directory: Path, gateway: Gateway) -> None:
    outside = directory.parent / "outside"
    outside.write_text("s3cret-of-another-program")
    (directory / "privkey.pem").unlink()
    (directory / "privkey.pem").symlink_to(outside)


def too_large(directory: Path, gateway: Gateway) -> None:
    (directory / "privkey.pem").write_text("s3cret-of-another-program" * 10_000)


def expired(directory: Path, gateway: Gateway) -> None:
    begin = timezone.now() - 100 * DAY
    put(directory, make_chain(*gateway.names, begin=begin, lifetime=90 * DAY))


def for_another_name(directory: Path, gateway: Gateway) -> None:
    put(directory, make_chain("other.example.org"))


def for_too_few_names(directory: Path, gateway: Gateway) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(additional_hostnames=["imap.example.com"])
    put(directory, make_chain(gateway.hostname))


@pytest.mark.parametrize(
    ("break_it", "cause", "words"),
    [
        (no_certificate, "file-not-recognized", ""),
        (no_file, "followed-files-unreadable", "does not exist"),
        (a_pipe, "followed-files-unreadable", "not a regular file"),
        (a_link_out, "followed-files-not-allowed", "leads out of"),
        (too_large, "followed-files-unreadable", "64 KiB"),
        (expired, "certificate-expired", "expired"),
        (for_another_name, "names-do-not-match", "other.example.org"),
        (for_too_few_names, "names-do-not-match", "imap.example.com"),
    ],
)
@pytest.mark.parametrize("is_selected", [True, False])
def test_whatever_is_wrong_is_told_and_nothing_is_stored(
    gateway: Gateway,
    directory: Path,
    now: datetime.datetime,
    break_it: Callable[[Path, Gateway], None],
    cause: str,
    words: str,
    is_selected: bool,
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    if not is_selected:
        other = store_leaf(gateway, origin=Origin.IMPORTED)
        deploying.select(other, Gateway.objects.get(pk=gateway.pk), now)
    certificate, stored = in_use(gateway), Certificate.objects.count()
    break_it(directory, gateway)
    following.look(now)
    following.look(now + MINUTE)
    problem = problem_of(gateway)
    assert problem is not None
    assert problem.detail.splitlines()[0] == cause
    assert words in problem.explanation
    assert "s3cret" not in str(problem.to_json())
    assert in_use(gateway) == certificate
    assert Certificate.objects.count() == stored


def test_what_passes_by_itself_is_seen_without_a_change_of_the_files(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    put(directory, make_chain(*gateway.names, begin=now + 3 * HOUR))
    following.look(now)
    following.look(now + MINUTE)
    assert problem_of(gateway) is not None
    assert following.look(now + 4 * HOUR) == 1
    assert problem_of(gateway) is None


def test_a_wrong_file_is_not_read_at_every_look(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    no_certificate(directory, gateway)
    following.look(now)
    following.look(now + MINUTE)
    following.look(now + 2 * MINUTE)
    assert followed(gateway).checked_at == now + MINUTE
    following.look(now + 6 * MINUTE)
    assert followed(gateway).checked_at == now + 6 * MINUTE


def test_while_another_certificate_is_selected_a_new_one_is_stored_and_not_used(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    other = store_leaf(gateway, origin=Origin.IMPORTED)
    deploying.select(other, Gateway.objects.get(pk=gateway.pk), now)
    put(directory, make_chain(*gateway.names))
    assert following.look(now) == 1
    assert in_use(gateway) == other
    assert "not put to use" in Event.objects.order_by("-pk")[0].message
    assert followed(gateway).certificate != other


def test_after_an_older_version_was_selected_by_hand_the_next_one_is_used(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    first = in_use(gateway)
    put(directory, make_chain(*gateway.names))
    following.look(now)
    deploying.select(first, Gateway.objects.get(pk=gateway.pk), now)
    assert following.look(now + HALF_A_MINUTE) == 0
    assert in_use(gateway) == first
    put(directory, make_chain(*gateway.names))
    assert following.look(now + MINUTE) == 1
    assert in_use(gateway) == followed(gateway).certificate != first


def test_the_source_that_was_returned_to_stays_when_the_tool_puts_an_older_version_back(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    certificate = in_use(gateway)
    put(directory, make_chain(*gateway.names))
    following.look(now)
    Gateway.objects.update(certificate_source=CertificateSource.LETS_ENCRYPT)
    put(directory, first)
    following.look(now)
    assert in_use(gateway) == certificate
    assert Gateway.objects.get().certificate_source == CertificateSource.LETS_ENCRYPT


def test_outside_of_the_directories_not_even_the_files_state_is_asked_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(os, "stat", lambda *path, **_: asked.append(path))
    seen = watched_files.see(Question((f"{directory}/../secret.pem",), watched_files.bounds()))
    monkeypatch.undo()
    assert seen.problem is not None
    assert seen.problem.code == "followed-files-not-allowed"
    assert asked == []


def test_an_older_version_that_the_tool_puts_back_is_used_again(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    first = make_chain(*gateway.names)
    following.follow(gateway, *put(directory, first), now)
    certificate = in_use(gateway)
    put(directory, make_chain(*gateway.names))
    following.look(now)
    put(directory, first)
    assert following.look(now) == 1
    assert in_use(gateway) == certificate
    # And from there on.
    put(directory, make_chain(*gateway.names))
    assert following.look(now) == 1
    assert in_use(gateway) == followed(gateway).certificate != certificate


def test_after_the_end_nothing_is_looked_at(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    certificate = in_use(gateway)
    assert following.stop(gateway, now, by="ada")
    put(directory, make_chain(*gateway.names))
    assert following.look(now) == 0
    assert in_use(gateway) == certificate
    assert codes()[-1] == "files-no-longer-followed"
    assert not following.stop(gateway, now)


def test_other_files_take_the_place_of_those_before(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    (directory / "more").mkdir()
    row = following.follow(gateway, *put(directory / "more", make_chain(*gateway.names)), now)
    assert FollowedFiles.objects.count() == 1
    assert in_use(gateway) == row.certificate
    put(directory, make_chain(*gateway.names))
    assert following.look(now) == 0


def test_outside_of_the_directories_nothing_is_followed_and_the_way_to_allow_more_is_told(
    gateway: Gateway, directory: Path, tmp_path: Path
) -> None:
    certificate_path, key_path = put(tmp_path, make_chain(*gateway.names))
    problem = refusal(gateway, certificate_path, key_path)
    assert problem.code == "followed-files-not-allowed"
    assert str(directory) in problem.explanation
    assert "GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES=" in " ".join(problem.remedy)
    assert "gateway-admin.env" in " ".join(problem.remedy)


def test_without_directories_nothing_is_followed(
    gateway: Gateway, directory: Path, settings: Settings
) -> None:
    paths = put(directory, make_chain(*gateway.names))
    allow(settings)
    assert not queries.followed(gateway).is_possible
    assert refusal(gateway, *paths).code == "followed-files-not-allowed"


def test_what_the_owner_no_longer_allows_is_no_longer_read(
    gateway: Gateway, directory: Path, now: datetime.datetime, settings: Settings
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    allow(settings)
    following.look(now)
    following.look(now + MINUTE)
    problem = problem_of(gateway)
    assert problem is not None
    assert "followed-files-not-allowed" in problem.detail
    allow(settings, directory)
    following.look(now + 2 * MINUTE)
    assert problem_of(gateway) is None


def test_the_consoles_own_files_are_not_followed(
    gateway: Gateway, data_dir: Path, settings: Settings
) -> None:
    allow(settings, data_dir.parent)
    paths = put(data_dir, make_chain(*gateway.names))
    assert refusal(gateway, *paths).code == "followed-files-not-allowed"


@pytest.mark.parametrize(
    "path", ["", "fullchain.pem", "../x", "/a\n/b", "/a\0b", "/" + "a" * 1000, "~/x"]
)
def test_only_whole_paths_can_be_followed(gateway: Gateway, directory: Path, path: str) -> None:
    assert refusal(gateway, path).code == "followed-path-unusable"


def test_a_certificate_that_this_console_renews_is_not_followed(
    gateway: Gateway, directory: Path
) -> None:
    leaf = make_chain(*gateway.names)
    store_leaf(gateway, leaf)
    assert refusal(gateway, *put(directory, leaf)).code == "followed-files-are-our-own"


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        (lambda names: make_chain("other.example.org"), "names-do-not-match"),
        (
            lambda names: make_chain(*names, begin=timezone.now() - 100 * DAY, lifetime=90 * DAY),
            "certificate-expired",
        ),
    ],
)
def test_what_cannot_be_used_is_not_followed(
    gateway: Gateway, directory: Path, leaf: Callable[[list[str]], Link], code: str
) -> None:
    assert refusal(gateway, *put(directory, leaf(gateway.names))).code == code


def test_one_gateways_files_are_no_concern_of_anothers(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    other = make_gateway("other", "mx.example.org")
    for row in (gateway, other):
        (directory / row.slug).mkdir()
        following.follow(row, *put(directory / row.slug, make_chain(*row.names)), now)
        put(directory / row.slug, make_chain(*row.names))
    FollowedFiles.objects.filter(gateway=gateway).update(problem_facts={"not": "a problem"})
    no_certificate(directory / gateway.slug, gateway)
    assert following.look(now) == 1


def hanging(let: threading.Event, place: str) -> Callable[[Question], Seen]:
    """A look at files that takes, below that place, until it is let."""

    def ask(question: Question) -> Seen:
        if question.paths[0].startswith(place):
            let.wait(30)
        return watched_files.see(question)

    return ask


def test_a_disk_that_hangs_keeps_no_other_gateway_waiting(
    gateway: Gateway,
    directory: Path,
    now: datetime.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_gateway("other", "mx.example.org")
    for row in (gateway, other):
        (directory / row.slug).mkdir()
        following.follow(row, *put(directory / row.slug, make_chain(*row.names)), now)
        put(directory / row.slug, make_chain(*row.names))
    let = threading.Event()
    asker: Asker[int | str, Question, Seen] = Asker(
        hanging(let, f"{directory}/{gateway.slug}/"), patience=0.3
    )
    monkeypatch.setattr(watched_files, "_asker", asker)
    try:
        assert following.look(now) == 1
        assert following.look(now + MINUTE) == 0
        problem = problem_of(gateway)
        assert problem is not None
        assert "followed-files-not-answering" in problem.detail
        assert problem_of(other) is None
    finally:
        let.set()


def test_the_files_are_left_alone_while_the_clock_cannot_be_believed(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    following.follow(gateway, *put(directory, make_chain(*gateway.names)), now)
    put(directory, make_chain(*gateway.names))
    assert following.look(now - 3650 * DAY) == 0
    assert following.look(now) == 1


def test_another_leaf_of_the_same_key_is_a_new_version(
    gateway: Gateway, directory: Path, now: datetime.datetime
) -> None:
    chain, key = make_chain(*gateway.names), new_key()
    assert chain.above is not None
    for _ in range(2):
        leaf = make_leaf(*gateway.names, above=chain.above, key=key)
        paths = put(directory, leaf)
        if not FollowedFiles.objects.exists():
            following.follow(gateway, *paths, now)
    assert following.look(now) == 1
