"""Whatever is stored here is sealed with a key of the test's own."""

from __future__ import annotations

from tests.certificates.engine import cas, forgetful_clock, serving_cas, travel
from tests.console import encryption_keys, gateway

__all__ = ["cas", "encryption_keys", "forgetful_clock", "gateway", "serving_cas", "travel"]
