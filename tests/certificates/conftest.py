"""Whatever is stored here is sealed with a key of the test's own."""

from __future__ import annotations

from tests.console import encryption_keys, gateway

__all__ = ["encryption_keys", "gateway"]
