"""Registered domains and public suffixes, by the Public Suffix List that the package carries."""

from __future__ import annotations

import functools

import tldextract

_extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # never fetched


@functools.lru_cache(maxsize=4096)
def registered_domain(name: str) -> str:
    """``example.co.uk`` for ``mx.example.co.uk``; a public suffix itself is its own.

    By the whole list, its private part included, as Let's Encrypt counts. Below a top-level domain
    that the list does not know it is the last two labels (the list's prevailing rule "*").
    """
    parts = _extract(name, include_psl_private_domains=True)
    if not parts.suffix:
        return ".".join(name.split(".")[-2:])
    return parts.top_domain_under_public_suffix or name


def is_suffix(name: str) -> bool:
    """Whether registries register names directly below ``name``.

    Only those does Let's Encrypt refuse: below a suffix of the list's private part somebody
    else's customers have their names.
    """
    return _extract(name).suffix == name


def has_known_ending(name: str) -> bool:
    """Whether the ending of ``name`` was in the list when this version was made."""
    return bool(_extract(name).suffix)
