from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.db import IntegrityError

from gateway_admin import claiming
from gateway_admin.models import Role, User
from tests.console import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """The token is kept in a directory of the test's own."""


def test_the_token_is_made_once_and_only_its_owner_may_read_it(data_dir: Path) -> None:
    before = os.umask(0o022)
    try:
        token = claiming.ensure_setup_token()
    finally:
        os.umask(before)
    assert token is not None
    assert len(token) == 43
    assert claiming.ensure_setup_token() == token
    assert stat.S_IMODE((data_dir / "setup-token").stat().st_mode) == 0o600
    assert [path.name for path in data_dir.iterdir()] == ["setup-token"]


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: f"{t}x", lambda t: "", str.lower])
def test_only_the_token_itself_is_the_token(change: object) -> None:
    token = claiming.ensure_setup_token()
    assert callable(change)
    assert token is not None
    assert claiming.is_setup_token(token)
    assert change(token) == token or not claiming.is_setup_token(change(token))
    assert not claiming.is_setup_token("é")


def test_without_a_token_nothing_is_one(data_dir: Path) -> None:
    assert not claiming.is_setup_token("")
    (data_dir / "setup-token").write_text("")
    assert not claiming.is_setup_token("")


def test_a_claim_makes_an_administrator_and_burns_the_token(data_dir: Path) -> None:
    token = claiming.ensure_setup_token()
    assert token is not None
    user = claiming.claim("ada", PASSWORD)
    user.refresh_from_db()
    assert user.is_administrator
    assert user.check_password(PASSWORD)
    assert claiming.is_claimed()
    assert not claiming.is_setup_token(token)
    assert list(data_dir.iterdir()) == []
    assert claiming.ensure_setup_token() is None


def test_nobody_claims_twice(data_dir: Path) -> None:
    claiming.ensure_setup_token()
    claiming.claim("ada", PASSWORD)
    with pytest.raises(claiming.AlreadyClaimedError):
        claiming.claim("eve", PASSWORD)
    assert [user.username for user in User.objects.all()] == ["ada"]


def test_a_token_from_before_does_not_claim_what_is_claimed(data_dir: Path) -> None:
    token = claiming.ensure_setup_token()
    make_user("ada", Role.ADMINISTRATOR)
    assert token is not None
    assert not claiming.is_setup_token(token)
    with pytest.raises(claiming.AlreadyClaimedError):
        claiming.claim("eve", PASSWORD)
    assert User.objects.count() == 1
    assert list(data_dir.iterdir()) == []


def test_an_operator_is_no_owner() -> None:
    make_user("otto", Role.OPERATOR)
    assert not claiming.is_claimed()
    assert claiming.ensure_setup_token() is not None


def test_when_the_account_cannot_be_made_the_token_is_still_good() -> None:
    token = claiming.ensure_setup_token()
    make_user("otto", Role.OPERATOR)
    with pytest.raises(IntegrityError):
        claiming.claim("otto", PASSWORD)
    assert token is not None
    assert claiming.is_setup_token(token)
    assert claiming.claim("ada", PASSWORD).is_administrator


def test_a_token_left_over_is_taken_away_once_claimed(data_dir: Path) -> None:
    claiming.ensure_setup_token()
    make_user("ada", Role.ADMINISTRATOR)
    assert claiming.ensure_setup_token() is None
    assert list(data_dir.iterdir()) == []
