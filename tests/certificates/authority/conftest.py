"""A CA to be asked, and somebody who asks it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from certificates.authority import AccountKey, Authority, new_account_key
from certificates.authority.transport import Transport
from tests.certificates.authority.ca import Ca, Reply


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ca]:
    """The one server; tests take ``ca``."""
    with Ca(tmp_path_factory.mktemp("ca")) as server:
        yield server


@pytest.fixture
def ca(serving: Ca) -> Iterator[Ca]:
    """A CA that has not been asked anything yet."""
    answers = dict(serving.answers)
    serving.answers["/new-order"] = Reply(
        serving.order(), 201, {"Location": f"{serving.base}/order/1"}
    )
    serving.answers["/order/1"] = Reply(serving.order())
    serving.answers["/authorization/1"] = Reply(serving.authorization())
    serving.seen.clear()
    serving.connections = 0
    yield serving
    serving.answers = answers


@pytest.fixture(scope="session")
def account_key() -> AccountKey:
    """The key of an account."""
    return new_account_key()


@pytest.fixture
def transport(ca: Ca) -> Iterator[Transport]:
    """To that CA."""
    opened = Transport(ca.url, ca.bundle)
    yield opened
    opened._session.close()


@pytest.fixture
def authority(ca: Ca, account_key: AccountKey) -> Iterator[Authority]:
    """That CA, asked with a registered account."""
    opened = Authority(ca.url, account_key, ca.bundle)
    opened.account_url = f"{ca.base}/account/1"
    yield opened
    opened._transport._session.close()


@pytest.fixture(params=["America/New_York", "Asia/Kolkata"])
def machine_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The zone of the machine."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()
