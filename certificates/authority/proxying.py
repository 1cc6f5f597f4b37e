"""By which proxy a CA is reached, for whoever wants to look at it in the same way."""

from __future__ import annotations

import requests


def proxy_of(url: str) -> str:
    """The proxy of the environment for this address, as a URL; empty where none is used."""
    return requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)) or ""
