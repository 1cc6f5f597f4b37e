"""Who answers on port 80 instead of this gateway, told by the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.preflight.classify import Kind, classify, quoted
from challenges.preflight.fetching import Answer, Outcome

NAME, TOKEN, AUTHORIZATION = "mail.example.de", "token", "token.preflight"


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(Outcome.ANSWERED, status, body, pairs)


def to(location: str, status: int = 301) -> Answer:
    return answer(status, location=location)


def titled(title: str, status: int = 200, **headers: str) -> Answer:
    page = f"<html><head><title>{title}</title></head>".encode()
    return answer(status, page, **headers)


@pytest.mark.parametrize(
    ("given_answer", "kind", "what"),
    [
        (answer(200, b"token.preflight"), Kind.OURS, ""),
        (answer(200, b"token.preflight\r\n"), Kind.OURS, ""),
        (answer(200, b"token.preflight<!-- by us -->"), Kind.WRONG_TOKEN, "HTTP 200"),
        (answer(404, b"token.preflight"), Kind.WRONG_TOKEN, "HTTP 404"),
        (answer(200, b"token.9jg46WB3rR_AHD"), Kind.WRONG_TOKEN, "HTTP 200"),
        (answer(404, b"404\n"), Kind.OTHER_CONSOLE, "HTTP 404"),
        (answer(404, b"404\n", server="nginx"), Kind.NOT_FOUND, "“nginx”"),
        (answer(503, b"503\n"), Kind.DATABASE_AWAY, "HTTP 503"),
        (answer(503, b"503\n", server="nginx"), Kind.SERVER_ERROR, "“nginx”"),
        (answer(503, b"busy"), Kind.SERVER_ERROR, "HTTP 503"),
        (to("/sign-in/?next=/x", 302), Kind.CONSOLE, "/sign-in/?next=/x"),
        (titled("Sign in · Gateway Admin"), Kind.CONSOLE, "“Sign in · Gateway Admin”"),
        (to("https://mail.example.de/x"), Kind.TO_HTTPS, "https://mail.example.de/x"),
        (to("https://MAIL.example.de:443/x", 308), Kind.TO_HTTPS, "https://MAIL.example.de:443/x"),
        (to("https://mail.example.de:8443/"), Kind.REDIRECTS, "https://mail.example.de:8443/"),
        (to("https://www.example.de/"), Kind.REDIRECTS, "https://www.example.de/"),
        (to("http://mail.example.de/"), Kind.REDIRECTS, "http://mail.example.de/"),
        (to("/elsewhere"), Kind.REDIRECTS, "/elsewhere"),
        (to("http://[broken/"), Kind.REDIRECTS, "http://[broken/"),
        (to("http://a:99999/"), Kind.REDIRECTS, "http://a:99999/"),
        (to("http://hotspot.local/login?x=1"), Kind.CAPTIVE, "http://hotspot.local/login?x=1"),
        (answer(511), Kind.CAPTIVE, "HTTP 511"),
        (titled("Captive portal"), Kind.CAPTIVE, "“Captive portal”"),
        (answer(404, server="cloudflare", cf_ray="1"), Kind.CDN, "Cloudflare"),
        (answer(403, server="cloudflare", cf_ray="1"), Kind.BLOCKED, "Cloudflare"),
        (answer(503, x_iinfo="1-2"), Kind.BLOCKED, "Imperva"),
        (answer(400, server="AkamaiGHost"), Kind.CDN, "Akamai"),
        (answer(500, x_served_by="cache-fra19128-FRA"), Kind.CDN, "Fastly"),
        (answer(200, x_served_by="web1.example"), Kind.OTHER, "HTTP 200"),
        (answer(403, server="Sucuri/Cloudproxy"), Kind.BLOCKED, "Sucuri"),
        (answer(403, b"Request Rejected"), Kind.BLOCKED, "HTTP 403"),
        (titled("Web Page Blocked!"), Kind.BLOCKED, "“Web Page Blocked!”"),
        (titled("FRITZ!Box"), Kind.ROUTER, "“FRITZ!Box”"),
        (titled("RouterOS router configuration page"), Kind.ROUTER, None),
        (answer(401, www_authenticate='Basic realm="TP-LINK WR841N"'), Kind.ROUTER, None),
        (answer(401, www_authenticate='Basic realm="intern"'), Kind.PASSWORD, "HTTP 401"),
        (titled("404 Not Found", 404, server="nginx"), Kind.NOT_FOUND, "“nginx”, “404 Not Found”"),
        (answer(410), Kind.NOT_FOUND, "HTTP 410"),
        (answer(502, server="nginx"), Kind.SERVER_ERROR, "“nginx”"),
        (titled("Welcome to nginx!", server="nginx"), Kind.OTHER, "“nginx”, “Welcome to nginx!”"),
        (answer(200, b"no such page: token"), Kind.OTHER, "HTTP 200"),
        (answer(301), Kind.OTHER, "HTTP 301"),
        (
            answer(400, b"The plain HTTP request was sent to HTTPS port"),
            Kind.SPEAKS_TLS,
            "HTTP 400",
        ),
        (Answer(Outcome.NOT_HTTP, body=b"\x15\x03\x01\x00\x02\x02F"), Kind.SPEAKS_TLS, None),
        (Answer(Outcome.NOT_HTTP, body=b"SSH-2.0-X\r\n"), Kind.NOT_HTTP, "SSH-2.0-X"),
        (Answer(Outcome.NOT_HTTP, body=b"220 mx ESMTP\r\n"), Kind.NOT_HTTP, "220 mx ESMTP"),
    ],
)
def test_who_answers(given_answer: Answer, kind: Kind, what: str | None) -> None:
    seen = classify(given_answer, NAME, TOKEN, AUTHORIZATION)
    assert seen.kind is kind
    assert what is None or seen.what == what


@given(st.text())
def test_what_is_quoted_is_short_and_printable(text: str) -> None:
    found = quoted(text)
    assert len(found) <= 60
    assert found == "" or found.isprintable()


@given(
    st.integers(100, 599),
    st.binary(max_size=300),
    st.dictionaries(st.sampled_from(["server", "location", "via", "www-authenticate"]), st.text()),
)
def test_no_answer_is_too_odd(status: int, body: bytes, headers: dict[str, str]) -> None:
    given_answer = Answer(Outcome.ANSWERED, status, body, tuple(headers.items()))
    assert classify(given_answer, NAME, TOKEN, AUTHORIZATION).what.isprintable()
