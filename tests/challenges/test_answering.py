"""What is answered to whom, without a socket or a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges import answering
from challenges.answering import Answer

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
PATH = f"/.well-known/acme-challenge/{TOKEN}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_token_can_be_asked_for(method: str) -> None:
    assert answering.asked(method, PATH) == TOKEN


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "get", "Head", "", "GET ", "TRACE"])
def test_another_method_on_a_token_is_405_and_says_which_ones_there_are(method: str) -> None:
    asked = answering.asked(method, PATH)
    assert isinstance(asked, Answer)
    assert (asked.status, asked.body) == (405, b"405\n")
    assert ("Allow", "GET, HEAD") in asked.headers


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "/",
        "/.well-known/acme-challenge/",
        f"{PATH}/",
        f"{PATH}\n",
        f"{PATH}\0",
        f"/{PATH}",
        f"x{PATH}",
        PATH.upper(),
        f"/.well-known/acme-challenge/{'x' * 21}",
        f"/.well-known/acme-challenge/{'x' * 129}",
        f"/.well-known/acme-challenge/{'ä' * 43}",
        "/.well-known/acme-challenge/../../etc/passwd-etc-passwd",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "FOO"])
def test_every_other_path_is_404_with_every_method(path: str, method: str) -> None:
    assert answering.asked(method, path) is answering.NOT_FOUND


def test_a_published_token_is_answered_with_exactly_its_key_authorization() -> None:
    answer = answering.answer(f"{TOKEN}.thumbprint")
    assert (answer.status, answer.body) == (200, f"{TOKEN}.thumbprint".encode())
    assert answer.headers == (
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(len(TOKEN) + 11)),
    )


def test_the_answer_to_a_token_of_lets_encrypt_is_one_that_it_reads() -> None:
    thumbprint = "x" * 43  # of SHA-256 (RFC 7638 §3, RFC 8555 §8.1)
    assert len(TOKEN) == 43
    assert len(answering.answer(f"{TOKEN}.{thumbprint}").body) == 87 < 128
    longest = f"{'x' * 128}.{thumbprint}"
    assert answering.asked("GET", PATH.replace(TOKEN, "x" * 128)) == "x" * 128
    assert len(answering.answer(longest).body) == 172


def test_an_unknown_token_gets_what_every_wrong_path_gets() -> None:
    assert answering.answer(None) is answering.asked("GET", "/")


@given(st.text(), st.text())
def test_whatever_is_asked_the_answer_without_a_token_is_a_number(method: str, path: str) -> None:
    asked = answering.asked(method, path)
    if isinstance(asked, Answer):
        assert asked.body == f"{asked.status.value}\n".encode()
    else:
        assert path.endswith(asked)
