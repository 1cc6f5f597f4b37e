"""The terms of service that the CA asks agreement to: always those that it names today."""

from __future__ import annotations

import dataclasses
import datetime
import threading

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.utils import timezone
from django.utils.translation import gettext as _

from certificates import authority, directories
from challenges.problems import ProblemError

FRESH = datetime.timedelta(hours=1)
# A CA that is away shall not make every opening of the form wait for it anew.
FAILED = datetime.timedelta(seconds=30)
PATIENCE = 3.0  # seconds that a page waits; the question itself goes on in the background
LETS_ENCRYPT_DOCUMENTS = "https://letsencrypt.org/repository/"


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """``url`` is empty when the CA names none or could not be asked; then ``notice`` says so."""

    url: str = ""
    notice: str = ""

    @property
    def link(self) -> str:
        """Where the terms can be read, in any case."""
        return self.url or LETS_ENCRYPT_DOCUMENTS


def current() -> Terms:
    """The production CA's present terms. Asks it at most once an hour; never raises.

    What else its directory says, such as its profiles, is kept by the way.
    """
    directory_url = settings.CONFIGURATION.acme_production_url
    key = f"terms-of-service:{directory_url}"
    if cache.get(key) is None:
        asking = threading.Thread(
            target=_ask_apart, args=(directory_url, key), name="terms-of-service", daemon=True
        )
        asking.start()
        asking.join(PATIENCE)
    known = cache.get(key)
    return known if isinstance(known, Terms) else Terms(notice=_notice())


def _ask_apart(directory_url: str, key: str) -> None:
    """In a thread of its own, which has connections of its own and must leave none behind."""
    try:
        _ask(directory_url, key)
    finally:
        connections.close_all()


def _ask(directory_url: str, key: str) -> None:
    try:
        directory = directories.ask(directory_url, timezone.now())
    except (
        authority.AcmeError,
        authority.UnreachableError,
        authority.InvalidAnswerError,
        ProblemError,
        DatabaseError,
    ):
        cache.set(key, Terms(notice=_notice()), FAILED.total_seconds())
    else:
        cache.set(key, Terms(url=directory.terms_of_service), FRESH.total_seconds())


def _notice() -> str:
    return _(
        "The certificate authority could not be asked for its present terms of service. "
        "Everything on this form can be saved; whether the authority can be reached is part of "
        "the test."
    )
