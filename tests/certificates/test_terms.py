"""Asking the CA for its terms, in a thread of its own, and what is kept by the way."""

from __future__ import annotations

import threading

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.utils import timezone

from certificates import clock, directories, terms
from certificates.policy.issuance import Environment
from tests.certificates.authority.ca import Reply
from tests.certificates.engine import DAY, SmallCas
from tests.console import administrator

__all__ = ["administrator"]

TERMS = "https://ca.example/terms-2"
META = {"termsOfService": TERMS, "profiles": {"shortlived": "", "tlsserver": ""}}

# The thread has a connection of its own, so what it writes must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def offering(cas: SmallCas) -> SmallCas:
    """The production CA names terms and profiles; nobody has asked it yet."""
    cache.clear()
    ca = cas.production
    ca.instead["directory"] = Reply(ca.directory(meta=META))
    return cas


def test_the_terms_are_asked_for_once_and_the_profiles_are_kept(offering: SmallCas) -> None:
    for _ in range(3):
        assert terms.current() == terms.Terms(url=TERMS)
    assert [asked.endpoint for asked in offering.production.asked] == ["directory"]
    assert directories.profiles(Environment.PRODUCTION) == META["profiles"]
    assert directories.profiles(Environment.STAGING) is None


def test_the_first_opening_of_the_form_offers_the_profiles(administrator: Client) -> None:
    form = administrator.get("/gateways/add/").context["form"]
    assert [value for value, _ in form.fields["profile"].choices] == ["", "shortlived", "tlsserver"]


def test_the_thread_leaves_no_connection_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    close = connections.close_all

    def noting() -> None:
        closed.append(threading.current_thread().name)
        close()

    monkeypatch.setattr(connections, "close_all", noting)
    terms.current()
    assert closed == ["terms-of-service"]


def test_at_a_wrong_time_nobody_is_asked_and_the_form_can_be_used(offering: SmallCas) -> None:
    clock.accept(timezone.now() + 2 * DAY)
    assert "could not be asked" in terms.current().notice
    assert offering.production.asked == []


def test_a_ca_that_is_away_is_a_notice(offering: SmallCas) -> None:
    offering.production.away = True
    assert "could not be asked" in terms.current().notice
    assert directories.profiles(Environment.PRODUCTION) is None
