"""The proxy by which a CA is looked at is the one by which the transport goes to it."""

from __future__ import annotations

import pytest
import requests

from certificates.authority.proxying import proxy_of
from certificates.authority.transport import Transport

URL = "https://ca.example.de/directory"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, "http://proxy.test:3128"),
        ({"https_proxy": "http://proxy.test:3128"}, "http://proxy.test:3128"),
        ({"ALL_PROXY": "http://all.test:3128"}, "http://all.test:3128"),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, ""),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "example.de"}, ""),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "*"}, ""),
        (
            {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "other.de"},
            "http://proxy.test:3128",
        ),
    ],
)
def test_the_proxy_is_that_of_the_transport(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxy: str
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(URL) == proxy
    session = Transport(URL, None)._session
    assert (requests.utils.select_proxy(URL, session.proxies) or "") == proxy
