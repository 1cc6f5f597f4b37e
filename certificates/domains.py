"""The registered domain of a host name, by the Public Suffix List that the package carries."""

from __future__ import annotations

import functools

import tldextract

# Let's Encrypt counts by the whole list, its private part included. Never fetched from anywhere.
_extract = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
)


@functools.lru_cache(maxsize=4096)
def registered_domain(name: str) -> str:
    """``example.co.uk`` for ``mx.example.co.uk``; a public suffix itself is its own.

    Below a top-level domain that the list does not know it is the last two labels (the list's
    prevailing rule "*").
    """
    parts = _extract(name)
    if not parts.suffix:
        return ".".join(name.split(".")[-2:])
    return parts.top_domain_under_public_suffix or name
