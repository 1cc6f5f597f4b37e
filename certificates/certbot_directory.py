"""What certbot keeps in its directory, as plain values: lineages, their keys, its ACME accounts.

Reads only, and nothing outside of the directory. The paths in certbot's files are not followed,
so that a copy of the directory is as good as the original.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from certificates import authority, confined_files
from certificates.confined_files import Bounds, NotReadError, OutsideError
from challenges.problems import Problem, ProblemError, Severity, legible

_SECTION = "[renewalparams]"
# Characters of a sentence or a detail; paths may be long.
_LONGEST = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class Lineage:
    """One certificate and its successors; ``chain`` and ``key`` are the newest files, as read.

    ``server`` is the directory URL of the CA that it came from, ``account`` the id of the account.
    """

    name: str
    server: str
    account: str
    chain: bytes
    key: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class CertbotAccount:
    """An account at a CA. ``url`` is the CA's name for it; ``created_at`` is UTC."""

    identifier: str
    url: str
    key: authority.AccountKey
    contact_email: str
    created_at: datetime.datetime | None


def names(directory: Path) -> list[str]:
    """Of all lineages. Raises ProblemError where the directory is none of certbot's."""
    return [file.stem for file in _entries(directory, "renewal") if file.suffix == ".conf"]


def lineages(directory: Path, wanted: Collection[str] = ()) -> list[Lineage]:
    """All lineages, or those of these names. Raises ProblemError for the first that is broken."""
    found = names(directory)
    if missing := sorted(set(wanted) - set(found)):
        raise _refused(
            "certbot-lineage-unknown",
            f"{directory} has no certificate named {missing[0]}.",
            f"Choose one of these: {', '.join(found) or 'there is none'}.",
        )
    if not found:
        raise _not_certbots(directory)
    return [_lineage(directory, name) for name in found if not wanted or name in wanted]


def account(directory: Path, server: str, known: Collection[Lineage]) -> CertbotAccount | None:
    """The account at that server which these lineages are renewed with.

    None where no lineage comes from the server and there is not exactly one account. Raises
    ProblemError when the account is missing or damaged, or when there are several.
    """
    place = _server_path(server)
    there = [file.name for file in _entries(directory, f"accounts/{place}", or_none=True)]
    ours = [lineage for lineage in known if lineage.server == server]
    named = sorted({lineage.account for lineage in ours if lineage.account}) or there
    if not ours and len(there) != 1:
        return None
    if len(named) > 1:
        raise _refused(
            "certbot-several-accounts",
            f"The certificates in {directory} are renewed with several accounts at {server}, and "
            "this console has one at each certificate authority.",
            "Take over the certificates of one account only, each by --lineage NAME.",
            detail=", ".join(named),
        )
    if not named or named[0] not in there:
        raise _no_account(directory, server)
    return _account(directory, f"accounts/{place}/{named[0]}", named[0], server)


def _lineage(directory: Path, name: str) -> Lineage:
    parameters = _parameters(_read(directory, f"renewal/{name}.conf"))
    return Lineage(
        name=name,
        server=parameters.get("server", ""),
        account=parameters.get("account", ""),
        chain=_read(directory, f"live/{name}/fullchain.pem"),
        key=_read(directory, f"live/{name}/privkey.pem"),
    )


def _parameters(text: bytes) -> dict[str, str]:
    """The values of the section that says how the lineage is renewed."""
    found: dict[str, str] = {}
    section = ""
    for line in text.decode(errors="replace").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section == _SECTION and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            found[key.strip()] = value.strip().strip("\"'")
    return found


def _account(directory: Path, place: str, identifier: str, server: str) -> CertbotAccount:
    registration = _json(directory, f"{place}/regr.json")
    url = registration.get("uri")
    # Ours is plain ASCII, as RFC 3986 has it; a database refuses some of what else JSON can hold.
    is_plain = isinstance(url, str) and url.isascii() and url.isprintable()
    if not isinstance(url, str) or not is_plain or _origin(url) != _origin(server):
        raise _damaged(directory / place / "regr.json", "it does not name an account of this CA")
    try:
        key = authority.account_key_from_jwk(_json(directory, f"{place}/private_key.json"))
    except ValueError as error:
        raise _damaged(directory / place / "private_key.json", str(error)) from None
    said = _json(directory, f"{place}/meta.json").get("creation_dt")
    return CertbotAccount(identifier, url, key, _email(registration), _moment(said))


def _email(registration: dict[str, object]) -> str:
    """What the CA was told; newer versions of certbot do not keep it."""
    body = registration.get("body")
    contacts = body.get("contact") if isinstance(body, dict) else None
    for contact in contacts if isinstance(contacts, list) else []:
        if isinstance(contact, str) and contact.startswith("mailto:") and contact.isprintable():
            return contact.removeprefix("mailto:")
    return ""


def _moment(said: object) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(str(said))
        # Near the ends of what can be said a change of the zone is too much.
        return moment.astimezone(datetime.UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _server_path(server: str) -> str:
    """Where certbot keeps the accounts of this directory URL."""
    parts = urlsplit(server)
    return f"{parts.netloc}{parts.path}".rstrip("/")


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _entries(directory: Path, below: str, *, or_none: bool = False) -> list[Path]:
    try:
        return sorted((directory / below).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        if or_none:
            return []
        raise _not_certbots(directory) from None
    except OSError as error:
        raise _refused(
            "certbot-directory-unreadable",
            f"{directory / below} cannot be read: {error.strerror}.",
            "Copy the directory, links and all, to where this program's user can read it, and "
            "name the copy.",
        ) from None


def _read(directory: Path, below: str) -> bytes:
    path = directory / below
    try:
        _, content = confined_files.read(str(path), Bounds((directory,)))
    except NotReadError as error:
        raise _unreadable(path, directory, error) from None
    return content


def _json(directory: Path, below: str) -> dict[str, object]:
    content = _read(directory, below)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _damaged(directory / below, "it is not what certbot writes")
    return found


def _unreadable(path: Path, directory: Path, error: NotReadError) -> ProblemError:
    is_dangling = path.is_symlink() and not os.path.lexists(os.path.realpath(path))
    if isinstance(error, OutsideError):
        why = f"is a link that leads out of {directory}"
    elif is_dangling:
        why = "is a link to a file that is missing"
    else:
        why = str(error)
    return _refused(
        "certbot-file-unreadable",
        f"The file {path} {why}.",
        "Repair the directory with certbot, or name what is to be taken over by --lineage NAME.",
    )


def _damaged(path: Path, why: str) -> ProblemError:
    return _refused(
        "certbot-account-damaged",
        f"The account's file {path} cannot be used: {why}.",
        "Restore it from a backup; or import the certificates by their files, without the account.",
    )


def _no_account(directory: Path, server: str) -> ProblemError:
    others = ", ".join(file.name for file in _entries(directory, "accounts", or_none=True))
    return _refused(
        "certbot-account-missing",
        f"{directory} holds no account at {server} that its certificates are renewed with"
        + (f", but accounts at: {others}." if others else "."),
        "Name the directory of the certbot that renews them; or import the certificates by their "
        "files, without the account.",
    )


def _not_certbots(directory: Path) -> ProblemError:
    return _refused(
        "certbot-directory-unknown",
        f"{directory} is not a directory of certbot: it has no renewal/NAME.conf.",
        "Name certbot's own directory, which is /etc/letsencrypt unless it was told otherwise.",
    )


def _refused(code: str, explanation: str, *steps: str, detail: str = "") -> ProblemError:
    return ProblemError(
        Problem(
            code=code,
            severity=Severity.ERROR,
            explanation=_shown(explanation),
            remedy=tuple(map(_shown, steps)),
            detail=_shown(detail),
        )
    )


def _shown(text: str) -> str:
    """In one line, without what a terminal would obey: files may be called anything."""
    return legible(text, _LONGEST).replace("\n", " ")
