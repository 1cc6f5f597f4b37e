"""After an edit, what was given up or put off is tried at once."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from certificates import backoffs, deploying
from certificates.configuring import ConfigurationRejected, Wishes, configure
from certificates.directories import url_of
from certificates.models import Backoff, CertificateSource, Directory, Gateway
from certificates.policy.issuance import Environment
from certificates.policy.names import identifier_set
from challenges.models import NetworkSettings
from challenges.problems import Problem, Severity
from tests.console import make_certificate, make_gateway

PERMANENT = Problem("acme-caa", Severity.ERROR, "A CAA record forbids it.", ("Remove it.",))
DAY = datetime.timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime.datetime:
    """One moment for all that a test does."""
    return timezone.now()


def stop(gateway: Gateway, now: datetime.datetime, problem: Problem = PERMANENT) -> str:
    """The automatic attempts for its names have stopped; returns their key."""
    key = identifier_set(gateway.names)
    backoffs.failed(key, problem, now, lifetime=90 * DAY)
    return key


def is_free(key: str, now: datetime.datetime) -> bool:
    """Whether the next attempt may begin now; the count of failures has to stay."""
    backoff = Backoff.objects.get(identifier_set=key)
    assert backoff.failures == 1
    return not backoff.is_stopped and backoff.not_before <= now


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(contact_email="a@example.com"),
        Wishes(key_type="rsa-2048"),
        Wishes(additional_hostnames="mx.example.com"),
        Wishes(challenge_port="8081"),
        Wishes(network_scenario="external"),
    ],
)
def test_an_edit_lets_it_be_tried_again(
    gateway: Gateway, now: datetime.datetime, wishes: Wishes
) -> None:
    key = stop(gateway, now)
    configure("default", wishes, now=now)
    assert is_free(key, now)


def test_saving_what_is_stored_already_frees_nothing(
    gateway: Gateway, now: datetime.datetime
) -> None:
    key = stop(gateway, now)
    configure("default", Wishes(hostname="mail.example.com", key_type="ecdsa-p256"), now=now)
    assert not is_free(key, now)


def test_what_is_refused_frees_nothing(gateway: Gateway, now: datetime.datetime) -> None:
    key = stop(gateway, now)
    with pytest.raises(ConfigurationRejected):
        configure("default", Wishes(contact_email="nobody"), now=now)
    assert not is_free(key, now)


def test_another_gateways_edit_frees_only_its_own_names_and_the_networks_all(
    gateway: Gateway, now: datetime.datetime
) -> None:
    make_gateway("other", "other.example.com")
    key = stop(gateway, now)
    configure("other", Wishes(contact_email="a@example.com"), now=now)
    assert not is_free(key, now)
    configure("other", Wishes(challenge_port="8081"), now=now)
    assert is_free(key, now)


def test_names_that_failed_before_and_are_chosen_again_are_free(
    gateway: Gateway, now: datetime.datetime
) -> None:
    key = stop(Gateway(hostname="new.example.com"), now)
    configure(gateway.slug, Wishes(hostname="new.example.com"), now=now)
    assert is_free(key, now)


@pytest.mark.usefixtures("data_dir")
def test_the_return_to_lets_encrypt_frees_too(gateway: Gateway, now: datetime.datetime) -> None:
    make_certificate(gateway, select=True)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    key = stop(gateway, now)
    gateway.refresh_from_db()
    deploying.return_to_lets_encrypt(gateway, now)
    assert is_free(key, now)


def test_who_begins_to_rehearse_is_given_a_day_for_it(
    gateway: Gateway, now: datetime.datetime
) -> None:
    make_certificate(gateway, select=True)
    configure("default", Wishes(rehearses=False), now=now)
    assert Gateway.objects.get().next_rehearsal_at is None
    configure("default", Wishes(rehearses=True), now=now)
    due = Gateway.objects.get().next_rehearsal_at
    assert due is not None
    assert now + 14 * DAY <= due < now + 16 * DAY


# Whether the key is kept


def test_whether_the_key_is_kept_is_a_setting_that_is_off_until_somebody_wants_it(
    gateway: Gateway, now: datetime.datetime
) -> None:
    steps = ((Wishes(contact_email="a@example.com"), False), (Wishes(keeps_key=True), True))
    for wishes, expected in (
        *steps,
        (Wishes(rehearses=False), True),
        (Wishes(keeps_key=False), False),
    ):
        configure("default", wishes, now=now)
        assert Gateway.objects.get().keeps_key is expected


def test_the_key_alone_concerns_a_gateway(gateway: Gateway, now: datetime.datetime) -> None:
    assert Wishes(keeps_key=False).concern_a_gateway
    assert configure("default", Wishes(keeps_key=True), now=now).changed == ("keeps_key",)


# Profiles, as the command types them


@pytest.mark.parametrize(
    ("listed", "typed", "stored"),
    [
        ({"shortlived": ""}, "shortlived", "shortlived"),
        ({"shortlived": ""}, " shortlived ", "shortlived"),
        ({"shortlived": ""}, "default", ""),
        ({"shortlived": ""}, "", ""),
        ({"default": "Ours."}, "default", "default"),
        (None, "anything", "anything"),
    ],
)
def test_a_profile_is_accepted(
    gateway: Gateway, listed: dict[str, str] | None, typed: str, stored: str
) -> None:
    if listed is not None:
        _list(listed)
    configure(gateway.slug, Wishes(profile=typed), now=timezone.now())
    assert Gateway.objects.get().profile == stored


@pytest.mark.parametrize("typed", ["tlsserver", "x" * 65])
def test_a_profile_that_the_ca_does_not_list_is_refused_with_the_choices(
    gateway: Gateway, typed: str
) -> None:
    _list({"shortlived": "", "classic": ""})
    with pytest.raises(ConfigurationRejected) as caught:
        configure(gateway.slug, Wishes(profile=typed), now=timezone.now())
    problem = caught.value.errors["profile"]
    assert problem.code == "profile-unknown"
    assert "default, classic, shortlived" in problem.remedy[0]


def test_names_beyond_what_the_stored_profile_holds_are_refused_at_the_names(
    gateway: Gateway,
) -> None:
    Gateway.objects.update(profile="shortlived")
    names = ",".join(f"mx{number}.example.com" for number in range(25))
    with pytest.raises(ConfigurationRejected) as caught:
        configure(gateway.slug, Wishes(additional_hostnames=names), now=timezone.now())
    assert caught.value.errors["additional_hostnames"].code == "too-many-names-for-profile"


def _list(profiles: dict[str, str]) -> None:
    Directory.objects.create(
        url=url_of(Environment.PRODUCTION), profiles=profiles, read_at=timezone.now()
    )


@pytest.fixture(autouse=True)
def network() -> NetworkSettings:
    """The settings as the first start leaves them."""
    return NetworkSettings.objects.create(pk=1, challenge_port=8080)
