"""The certificate profiles of the CA on a gateway's form."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates.directories import url_of
from certificates.models import Directory, Gateway
from certificates.policy.issuance import Environment
from tests.certificates.views.test_gateway_form import SETTINGS, filled

LISTED = {"classic": "https://ca.example/classic", "shortlived": "", "odd": "<b>Odd</b> ones."}


@pytest.fixture
def listed(db: None) -> Directory:
    """What the production CA's directory has listed."""
    return Directory.objects.create(
        url=url_of(Environment.PRODUCTION), profiles=LISTED, read_at=timezone.now()
    )


@pytest.mark.usefixtures("gateway")
def test_without_any_profile_of_the_ca_there_is_no_field(administrator: Client) -> None:
    page = administrator.get(SETTINGS)

    assert "profile" not in page.context["form"].fields
    assert "Certificate profile" not in page.content.decode()
    assert administrator.post(SETTINGS, filled()).status_code == HTTPStatus.SEE_OTHER
    assert Gateway.objects.get().profile == ""


@pytest.mark.usefixtures("gateway", "listed")
def test_the_profiles_that_the_ca_lists_are_offered_with_what_they_mean(
    administrator: Client,
) -> None:
    text = administrator.get(SETTINGS).content.decode()

    assert "Certificate profile" in text
    for words in ("The CA&#x27;s default", "Classic", "Short-lived", "about six days"):
        assert words in text
    assert "TLS server" not in text
    # What a CA says of a profile that we do not know is text, whatever it looks like.
    assert "&lt;b&gt;Odd&lt;/b&gt; ones." in text


@pytest.mark.usefixtures("gateway", "listed")
def test_a_profile_is_stored_and_taken_back(administrator: Client) -> None:
    for wanted in ("shortlived", ""):
        answer = administrator.post(SETTINGS, filled(profile=wanted))
        assert answer.status_code == HTTPStatus.SEE_OTHER
        assert Gateway.objects.get().profile == wanted


@pytest.mark.usefixtures("gateway", "listed")
def test_a_profile_that_is_not_listed_is_refused(administrator: Client) -> None:
    answer = administrator.post(SETTINGS, filled(profile="tlsserver"))

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "profile" in answer.context["form"].errors
    assert Gateway.objects.get().profile == ""


@pytest.mark.usefixtures("listed")
def test_a_stored_profile_that_is_listed_no_longer_stays_with_a_notice(
    administrator: Client, gateway: Gateway
) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(profile="tlsserver")
    page = administrator.get(SETTINGS)
    values = [value for value, _ in page.context["form"].fields["profile"].choices]

    assert values == ["", "classic", "odd", "shortlived", "tlsserver"]
    assert "does not offer the profile “tlsserver” any more" in page.content.decode()
    answer = administrator.post(SETTINGS, filled(profile="tlsserver"))
    assert answer.status_code == HTTPStatus.SEE_OTHER


@pytest.mark.usefixtures("gateway", "listed")
def test_more_names_than_the_profile_holds_are_refused_at_the_profile(
    administrator: Client,
) -> None:
    names = "\n".join(f"mx{number}.example.com" for number in range(25))
    answer = administrator.post(SETTINGS, filled(profile="shortlived", additional_hostnames=names))

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    (error,) = answer.context["form"].errors["profile"]
    assert "at most 25 names, and this gateway has 26" in error


@pytest.mark.usefixtures("gateway")
def test_rehearsing_is_switched_off_and_on_by_the_box(administrator: Client) -> None:
    assert administrator.get(SETTINGS).context["form"]["rehearses"].value() is True
    for box, stored in (("", False), ("on", True)):
        administrator.post(SETTINGS, filled(rehearses=box))
        assert Gateway.objects.get().rehearses is stored
