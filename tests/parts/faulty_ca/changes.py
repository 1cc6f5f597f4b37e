"""Changes to a CA's answers and documents: from one value to another, and nothing else."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

from tests.parts.faulty_ca.wire import Answer

Document = dict[str, Any]


def with_fields(document: Document, fields: Mapping[str, object]) -> Document:
    """Some fields have other values; None leaves one out."""
    changed = {**document, **fields}
    return {name: value for name, value in changed.items() if value is not None}


def with_token(document: Document, token: object) -> Document:
    """The challenge, or every challenge of the authorization, has that token."""
    if "challenges" not in document:
        return {**document, "token": token}
    challenges = [{**challenge, "token": token} for challenge in document["challenges"]]
    return {**document, "challenges": challenges}


def without_link(answer: Answer, relation: str) -> Answer:
    """Without the Link headers of that relation (RFC 8288)."""
    kept = tuple(
        (name, value)
        for name, value in answer.headers
        if not (name.lower() == "link" and f'rel="{relation}"' in value)
    )
    return dataclasses.replace(answer, headers=kept)


def moved(answer: Answer, own: str, base: str) -> Answer:
    """Every URL that begins with the origin ``own`` begins with ``base`` instead.

    "{host}" in it is the host and port of that origin.
    """
    other = base.format(host=own.removeprefix("https://"))
    headers = tuple((name, value.replace(own, other)) for name, value in answer.headers)
    body = answer.body.replace(own.encode(), other.encode())
    return dataclasses.replace(answer, headers=headers, body=body)


def http_date(moment: datetime.datetime) -> str:
    """An aware moment as Retry-After may name it (RFC 9110 §5.6.7)."""
    return email.utils.format_datetime(moment.astimezone(datetime.UTC), usegmt=True)
