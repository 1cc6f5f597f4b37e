"""What goes to the reading process and what comes back, each one JSON document."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json

from certificates import pem
from challenges.problems import Problem


@dataclasses.dataclass(frozen=True)
class ImportedCertificate:
    """A chain in order, leaf first, and what belongs to it.

    ``key_der`` is PKCS#8, or None where the key is kept here already. ``notes`` tell what was
    found and does not forbid storing.
    """

    chain: pem.ChainFacts
    key_der: bytes | None = dataclasses.field(repr=False)
    notes: tuple[Problem, ...] = ()


@dataclasses.dataclass(frozen=True)
class Question:
    """The files, and what is needed to read them. ``now`` is UTC."""

    files: tuple[bytes, ...] = dataclasses.field(repr=False)
    password: str | None = dataclasses.field(repr=False)
    known_keys: frozenset[str]
    now: datetime.datetime

    def to_bytes(self) -> bytes:
        """For the reading process's standard input."""
        document = {
            "files": [_to_text(content) for content in self.files],
            "password": self.password,
            "known_keys": sorted(self.known_keys),
            "now": self.now.isoformat(),
        }
        return json.dumps(document).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Question:
        """The inverse of :meth:`to_bytes`."""
        document = json.loads(raw)
        return cls(
            files=tuple(base64.b64decode(content) for content in document["files"]),
            password=document["password"],
            known_keys=frozenset(document["known_keys"]),
            now=datetime.datetime.fromisoformat(document["now"]),
        )


def answer(outcome: ImportedCertificate | Problem) -> bytes:
    """For the reading process's standard output."""
    if isinstance(outcome, Problem):
        return json.dumps({"problem": outcome.to_json()}).encode()
    chain = dataclasses.asdict(outcome.chain)
    for moment in ("not_before", "not_after"):
        chain[moment] = chain[moment].isoformat()
    document = {
        "chain": chain,
        "key": None if outcome.key_der is None else _to_text(outcome.key_der),
        "notes": [note.to_json() for note in outcome.notes],
    }
    return json.dumps(document).encode()


def outcome(raw: bytes) -> ImportedCertificate | Problem:
    """The inverse of :func:`answer`.

    Raises ValueError, TypeError, KeyError or AttributeError for anything that it did not write.
    """
    document = json.loads(raw)
    if "problem" in document:
        return Problem.from_json(document["problem"])
    chain, key = document["chain"], document["key"]
    chain["names"] = tuple(chain["names"])
    for moment in ("not_before", "not_after"):
        chain[moment] = datetime.datetime.fromisoformat(chain[moment])
    return ImportedCertificate(
        chain=pem.ChainFacts(**chain),
        key_der=None if key is None else base64.b64decode(key),
        notes=tuple(Problem.from_json(note) for note in document["notes"]),
    )


def _to_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
