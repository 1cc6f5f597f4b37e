"""A new version of a certificate takes the place of the one before it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from certificates import adding, deploying, importing, pem, repairing, self_signing, store, versions
from certificates.models import Certificate, CertificateSource, Event, Gateway, Origin
from challenges.problems import Problem, ProblemError, Severity
from tests.certificates.chains import Link, make_chain, store_leaf
from tests.console import make_gateway
from tests.parts import faults

DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


def brought(leaf: Link, *notes: Problem) -> importing.ImportedCertificate:
    """As the reader hands it over."""
    return importing.ImportedCertificate(pem.facts(leaf.chain), leaf.key_der, notes)


def leaf(*names: str, days_ago: float = 1) -> Link:
    """A certificate for the names, else for the gateway's."""
    begin = timezone.now() - days_ago * DAY
    return make_chain(*(names or ("mail.example.com",)), begin=begin)


def replace(old: Certificate, new: Link) -> Certificate:
    """What becomes of it."""
    return adding.add_imported(old.gateway, brought(new), timezone.now(), by="ada", replaces=old)[0]


def state(gateway: Gateway) -> tuple[Certificate | None, str, str]:
    """What is in use: by the row, and by the file that services read."""
    gateway.refresh_from_db()
    file = store.live_directory(gateway) / "fullchain.pem"
    text = file.read_text() if file.exists() else ""
    return gateway.selected_certificate, gateway.certificate_source, text


@pytest.fixture
def old(gateway: Gateway) -> Certificate:
    """An imported certificate in use."""
    certificate = store_leaf(gateway, leaf(days_ago=60), Origin.IMPORTED)
    deploying.select(certificate, gateway, timezone.now())
    return certificate


def test_the_new_version_of_what_is_in_use_is_in_use(gateway: Gateway, old: Certificate) -> None:
    new = replace(old, leaf())
    assert state(gateway) == (new, CertificateSource.MANUAL, new.chain_pem)
    assert new.origin == Origin.IMPORTED
    message = Event.objects.filter(code="certificate-imported").get().message
    assert message == (
        "A certificate for mail.example.com was brought in by ada as a new version of number "
        f"{old.pk}. It is in use now."
    )


def test_the_old_version_is_kept_and_one_selection_away(gateway: Gateway, old: Certificate) -> None:
    new = replace(old, leaf())
    deploying.select(old, gateway, timezone.now())
    assert state(gateway) == (old, CertificateSource.MANUAL, old.chain_pem)
    assert versions.of(old) == [new, old]


def test_after_an_older_version_was_selected_again_a_corrected_one_is_swapped_in(
    gateway: Gateway, old: Certificate
) -> None:
    broken = replace(old, leaf())
    deploying.select(old, gateway, timezone.now())
    corrected = replace(broken, leaf())
    assert state(gateway) == (corrected, CertificateSource.MANUAL, corrected.chain_pem)


def test_behind_a_version_that_could_not_be_used_the_next_one_is_swapped_in(
    gateway: Gateway,
) -> None:
    first = store_leaf(gateway, leaf(), Origin.IMPORTED)
    unfit = replace(first, leaf(days_ago=100))
    deploying.select(first, gateway, timezone.now())
    with pytest.raises(ProblemError):
        replace(unfit, leaf(days_ago=100))
    assert state(gateway)[0] == first
    new = replace(unfit, leaf())
    assert state(gateway)[0] == new


def test_whoever_selects_another_certificate_leaves_the_line(
    gateway: Gateway, old: Certificate
) -> None:
    other = store_leaf(gateway, leaf(), Origin.IMPORTED)
    deploying.select(other, gateway, timezone.now())
    replace(old, leaf())
    assert state(gateway)[0] == other


def test_the_new_version_of_what_is_not_in_use_is_not_either(gateway: Gateway) -> None:
    old = store_leaf(gateway, leaf(), Origin.IMPORTED)
    new = replace(old, leaf())
    assert new.replaces == old
    assert state(gateway) == (None, CertificateSource.LETS_ENCRYPT, "")


def test_a_source_that_was_chosen_stays(gateway: Gateway, old: Certificate) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.LETS_ENCRYPT)
    new = replace(old, leaf())
    assert state(gateway) == (new, CertificateSource.LETS_ENCRYPT, new.chain_pem)


@pytest.mark.parametrize(
    ("names", "days_ago", "code"),
    [
        (("mail.example.com",), 91, "certificate-expired"),
        (("mail.example.com",), -2, "certificate-not-yet-valid"),
        (("other.example.com",), 1, "names-do-not-match"),
        (("smtp.example.com",), 1, "names-do-not-match"),
    ],
)
def test_what_could_not_be_used_does_not_replace_what_is_in_use(
    gateway: Gateway, old: Certificate, names: tuple[str, ...], days_ago: float, code: str
) -> None:
    Gateway.objects.update(additional_hostnames=["smtp.example.com"])
    old.gateway.refresh_from_db()
    before = state(gateway)
    with pytest.raises(ProblemError) as caught:
        replace(old, leaf(*names, days_ago=days_ago))
    assert caught.value.problem.code == code
    assert state(gateway) == before
    assert Certificate.objects.get() == old


def test_one_from_staging_does_not_replace_what_is_in_use(
    gateway: Gateway, old: Certificate
) -> None:
    before, new = state(gateway), brought(leaf())
    facts = pem.ChainFacts(**{**vars(new.chain), "issuer": "(STAGING) Riddling Rhubarb R12"})
    with pytest.raises(ProblemError) as caught:
        adding.add_imported(
            gateway,
            importing.ImportedCertificate(facts, new.key_der),
            timezone.now(),
            replaces=old,
        )
    assert caught.value.problem.code == "certificate-from-staging"
    assert state(gateway) == before


def test_what_is_not_in_use_may_be_replaced_by_what_cannot_be_used_yet(gateway: Gateway) -> None:
    old = store_leaf(gateway, leaf(), Origin.IMPORTED)
    _new, notes = adding.add_imported(
        gateway, brought(leaf(days_ago=-2)), timezone.now(), replaces=old
    )
    assert [note.code for note in notes] == ["certificate-not-yet-valid"]


def test_the_same_certificate_is_no_new_version(gateway: Gateway, old: Certificate) -> None:
    link = leaf()
    new = replace(old, link)
    with pytest.raises(ProblemError) as caught:
        replace(new, link)
    assert caught.value.problem.code == "certificate-known-already"
    assert f"number {new.pk}" in caught.value.problem.explanation


def test_a_version_before_the_last_cannot_be_replaced_again(
    gateway: Gateway, old: Certificate
) -> None:
    new = replace(old, leaf())
    with pytest.raises(ProblemError) as caught:
        replace(old, leaf())
    assert caught.value.problem.code == "certificate-replaced-already"
    assert f"number {new.pk}" in caught.value.problem.explanation
    assert state(gateway)[0] == new


def test_what_is_renewed_is_not_replaced_by_hand(gateway: Gateway) -> None:
    issued = store_leaf(gateway, leaf())
    with pytest.raises(ProblemError) as caught:
        replace(issued, leaf())
    assert caught.value.problem.code == "certificate-not-replaceable"


def test_a_self_signed_one_can_be_followed_by_a_better_one(gateway: Gateway) -> None:
    first = self_signing.create(gateway, timezone.now())
    deploying.select(first, gateway, timezone.now())
    new = replace(first, leaf())
    assert state(gateway)[0] == new
    assert new.origin == Origin.IMPORTED


def test_versions_are_told_newest_first_from_any_of_them(
    gateway: Gateway, old: Certificate
) -> None:
    second = replace(old, leaf())
    third = replace(second, leaf())
    store_leaf(gateway, leaf(), Origin.IMPORTED)
    for each in (old, second, third):
        assert versions.of(each) == [third, second, old]


def test_a_certificate_without_other_versions_is_its_only_one(gateway: Gateway) -> None:
    alone = store_leaf(gateway, leaf(), Origin.IMPORTED)
    assert versions.of(alone) == [alone]


# Whatever fails


@pytest.mark.parametrize("fails", [faults.once, faults.lasting])
def test_wherever_the_disk_fails_either_version_is_in_use_and_none_is_half_there(
    gateway: Gateway, old: Certificate, fails: Callable[[int, int], faults.Fails]
) -> None:
    outcomes = []
    for at in range(1, 60):
        before, count = state(gateway), Certificate.objects.count()
        assert before[0] is not None
        with faults.calls(fails(at, faults.ERRORS[at % len(faults.ERRORS)])):
            problem = refusal(before[0])
        # Where the disk would not even let the files before be put back.
        repairing.repair(timezone.now())
        outcomes.append(problem)
        if problem:
            assert problem.code.startswith("certificate-files-")
            assert (state(gateway), Certificate.objects.count()) == (before, count)
        else:
            selected, source, text = state(gateway)
            assert selected is not None
            assert (selected.replaces, source) == (before[0], CertificateSource.MANUAL)
            assert text == selected.chain_pem
    assert outcomes[0] is not None
    assert outcomes[-1] is None


def test_without_a_disk_that_can_be_switched_back_nothing_is_stored(
    gateway: Gateway, old: Certificate
) -> None:
    link = store.live_directory(gateway)
    link.unlink()
    (link / "in the way").mkdir(parents=True)
    problem = refusal(old)
    assert problem is not None
    assert problem.code == "certificate-files-not-written"
    gateway.refresh_from_db()
    assert gateway.selected_certificate == old
    assert Certificate.objects.get() == old


def refusal(old: Certificate) -> Problem | None:
    """Why it was not replaced; None where it was."""
    try:
        replace(old, leaf())
    except ProblemError as error:
        return error.problem
    return None


# What an import brings besides


def test_the_readers_notes_are_passed_on_and_none_is_told_twice(gateway: Gateway) -> None:
    weak = Problem("weak-signature", Severity.WARNING, "It is signed with SHA-1.")
    expired = Problem("certificate-expired", Severity.WARNING, "It has expired.")
    old = leaf(days_ago=100)
    _stored, notes = adding.add_imported(gateway, brought(old, weak, expired), timezone.now())
    assert notes == [weak, expired]


def test_a_certificate_for_none_of_the_names_is_refused_at_the_door(gateway: Gateway) -> None:
    with pytest.raises(ProblemError) as caught:
        adding.add_imported(gateway, brought(leaf("shop.example.com")), timezone.now())
    assert caught.value.problem.explanation == (
        "This certificate is for shop.example.com; the gateway is mail.example.com."
    )
    assert not Certificate.objects.exists()
    assert not Event.objects.exists()


def test_a_key_that_was_lost_comes_back_with_the_same_certificate(gateway: Gateway) -> None:
    link = leaf()
    stored = store_leaf(gateway, link)
    Certificate.objects.update(sealed_key="v1.00000000.AAAA")
    again, notes = adding.add_imported(gateway, brought(link), timezone.now())
    assert again == stored
    assert notes == []
    assert store.private_key(again) == link.key_der
    assert again.origin == Origin.LETS_ENCRYPT


def test_the_same_import_twice_is_one_certificate_with_the_key_it_had(gateway: Gateway) -> None:
    link = leaf()
    first, _notes = adding.add_imported(gateway, brought(link), timezone.now())
    second, _notes = adding.add_imported(gateway, brought(link), timezone.now())
    assert (first, first.sealed_key) == (second, second.sealed_key)


def test_the_same_import_twice_says_so_and_is_one_line_of_the_log(gateway: Gateway) -> None:
    link = leaf()
    first, notes = adding.add_imported(gateway, brought(link), timezone.now())
    assert notes == []
    _second, notes = adding.add_imported(gateway, brought(link), timezone.now())
    assert [(note.code, note.severity) for note in notes] == [
        ("certificate-known-already", Severity.INFO)
    ]
    assert f"number {first.pk}" in notes[0].explanation
    assert Event.objects.filter(code="certificate-imported").count() == 1


def test_a_key_that_came_back_is_told_in_the_log(gateway: Gateway) -> None:
    link = leaf()
    stored = store_leaf(gateway, link)
    Certificate.objects.update(sealed_key="v1.00000000.AAAA")
    adding.add_imported(gateway, brought(link), timezone.now(), by="ada")
    message = Event.objects.get(code="certificate-imported").message
    assert f"as number {stored.pk} got its private key back by ada" in message


def test_of_a_long_line_only_numbers_are_fetched(
    gateway: Gateway, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    before = store_leaf(gateway, leaf(), Origin.IMPORTED)
    fields = {
        field.name: getattr(before, field.name)
        for field in Certificate._meta.fields
        if field.name not in {"id", "sha256", "replaces"}
    }
    Certificate.objects.bulk_create(
        Certificate(pk=before.pk + number, sha256=f"{number:064x}", **fields)
        for number in range(1, 5_000)
    )
    later = Certificate.objects.filter(pk__gt=before.pk)
    later.update(replaces=F("pk") - 1)
    with django_assert_num_queries(2):
        assert versions.newest(before).pk == before.pk + 4_999
    with django_assert_num_queries(1):
        assert versions.line(before) == list(range(before.pk + 4_999, before.pk - 1, -1))


def test_another_gateways_certificates_are_not_in_the_way(gateway: Gateway) -> None:
    link = leaf("mail.example.com", "shop.example.com")
    store_leaf(make_gateway("shop", "shop.example.com"), link, Origin.IMPORTED)
    old = store_leaf(gateway, leaf(), Origin.IMPORTED)
    assert replace(old, link).gateway == gateway
