"""Public suffixes and the zones below them, by the Public Suffix List that the package carries."""

from __future__ import annotations

import tldextract

# Let's Encrypt refuses a suffix of the list's first part only: below one of the second, the
# private part, somebody else's customers have their names. Never fetched from anywhere.
_registries = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
_everybody = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
)


def is_suffix(name: str) -> bool:
    """Whether registries register names directly below ``name``."""
    return _registries(name).suffix == name


def is_customers_suffix(name: str) -> bool:
    """Whether a company gives names directly below ``name`` to its customers."""
    return _everybody(name).suffix == name


def has_known_ending(name: str) -> bool:
    """Whether the ending of ``name`` was in the list when this version was made."""
    return bool(_registries(name).suffix)


def zone_of(name: str) -> str:
    """The registered domain of ``name``, in whose zone its records most likely are."""
    return _everybody(name).top_domain_under_public_suffix or ".".join(name.split(".")[-2:])
