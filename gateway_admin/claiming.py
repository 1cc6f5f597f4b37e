"""The first run: only who reads the setup link on the owner's terminal makes the first account.

The token has 256 random bits, so that guessing it is not a thing to limit; it is kept in a file
that only the owner may read, and is gone once an administrator exists.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction

from gateway_admin.data_directory import write_secret
from gateway_admin.models import Role, User


class AlreadyClaimedError(Exception):
    """There is an administrator already, so that nobody can claim the console."""


def is_claimed() -> bool:
    """Whether there is an administrator."""
    return User.objects.filter(role=Role.ADMINISTRATOR).exists()


def token_file() -> Path:
    """Where the one-time token is kept while nobody has claimed the console."""
    return Path(settings.CONFIGURATION.data_dir) / "setup-token"


def ensure_setup_token() -> str | None:
    """The one-time token, made if need be; None, with no file left, once claimed.

    Raises OSError when the data directory cannot be written.
    """
    if is_claimed():
        token_file().unlink(missing_ok=True)
        return None
    if token := _stored_token():
        return token
    token = secrets.token_urlsafe(32)
    write_secret(token_file(), token)
    return token


def is_setup_token(candidate: str) -> bool:
    """Whether it is the token, compared in constant time; never once claimed."""
    stored = _stored_token()
    if not stored or is_claimed():
        return False
    return secrets.compare_digest(candidate.encode(), stored.encode())


def claim(username: str, password: str) -> User:
    """Make the first administrator and burn the token.

    The caller has checked the token and the form. Taking the token's file away is the lock: the
    file system lets only one claimant do it, whatever the database. Raises AlreadyClaimedError
    if another was faster.
    """
    burning = token_file().with_suffix(".claimed")
    try:
        token_file().rename(burning)
    except FileNotFoundError:
        raise AlreadyClaimedError from None
    try:
        if is_claimed():
            burning.unlink()
            raise AlreadyClaimedError
        with transaction.atomic():
            user = User(username=username, role=Role.ADMINISTRATOR)
            user.set_password(password)
            user.save(force_insert=True)
    except DatabaseError:
        burning.rename(token_file())
        raise
    burning.unlink()
    return user


def _stored_token() -> str:
    try:
        return token_file().read_text().strip()
    except FileNotFoundError:
        return ""
