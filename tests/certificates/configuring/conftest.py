"""Everybody who is tested here may be signed in."""

from __future__ import annotations

from tests.console import administrator, encryption_keys, fresh_cache, gateway, operator

__all__ = ["administrator", "encryption_keys", "fresh_cache", "gateway", "operator"]
