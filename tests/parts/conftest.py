"""Clients that see what a CA really says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.demo.responder import Responder
from tests.parts.bare_acme import BareAcme
from tests.parts.faulty_ca import FaultyCa
from tests.parts.pebble import TestAuthorities
from tests.parts.raw_tls import RawTls


@pytest.fixture
def bare(faulty_ca: FaultyCa, authorities: TestAuthorities) -> Iterator[BareAcme]:
    """A client with an account at the faulty CA, and a responder for its tokens."""
    with (
        Responder(authorities.http_port) as responder,
        BareAcme(faulty_ca.directory_url, authorities.https.bundle, responder.tokens) as client,
    ):
        yield client.register()


@pytest.fixture
def raw(faulty_ca: FaultyCa, authorities: TestAuthorities) -> Iterator[Callable[[], RawTls]]:
    """Opens TLS connections to the faulty CA."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(
            closing(RawTls(faulty_ca.port, authorities.https.bundle))
        )
