from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from certificates import sealing
from challenges.problems import ProblemError

OLD, NEW, STRANGE = (bytes([number]) * 32 for number in (1, 2, 3))
SECRET = b"-----a private key-----"


def refusal(sealed: str, purpose: str = "purpose", keys: tuple[bytes, ...] = (NEW,)) -> str:
    """The code of the Problem that opening it ends in."""
    with pytest.raises(ProblemError) as caught:
        sealing.unseal(sealed, purpose, keys)
    assert SECRET.decode() not in str(caught.value.problem.to_json())
    return caught.value.problem.code


@given(st.binary(max_size=5000), st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_opens_again(plaintext: bytes, purpose: str) -> None:
    sealed = sealing.seal(plaintext, purpose, (NEW,))
    assert sealing.unseal(sealed, purpose, (NEW,)) == plaintext


def test_the_text_shows_neither_the_secret_nor_the_key_and_is_never_the_same() -> None:
    sealed = [sealing.seal(SECRET, "purpose", (NEW,)) for _ in range(50)]
    assert len(set(sealed)) == 50
    bodies = [base64.urlsafe_b64decode(text.split(".")[2]) for text in sealed]
    assert len({body[:12] for body in bodies}) == 50
    assert not any(SECRET in body or NEW in body for body in bodies)


def test_another_purpose_does_not_open_it() -> None:
    sealed = sealing.seal(SECRET, "certificate-key:a", (NEW,))
    assert refusal(sealed, "certificate-key:b") == "sealed-secret-unreadable"


def test_every_changed_byte_is_noticed() -> None:
    version, identifier, body = sealing.seal(SECRET, "purpose", (NEW,)).split(".")
    raw = base64.urlsafe_b64decode(body)
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        text = f"{version}.{identifier}.{base64.urlsafe_b64encode(changed).decode()}"
        assert refusal(text) == "sealed-secret-unreadable"


@given(st.text())
def test_no_text_opens_by_chance(text: str) -> None:
    assert refusal(text) == "sealed-secret-unreadable"


@given(st.text())
def test_nothing_after_the_key_opens_by_chance(text: str) -> None:
    assert refusal(f"v1.{sealing.key_id(NEW)}.{text}") == "sealed-secret-unreadable"


def test_a_version_that_is_not_known_is_not_opened() -> None:
    sealed = sealing.seal(SECRET, "purpose", (NEW,))
    assert refusal(sealed.replace("v1.", "v2.", 1)) == "sealed-secret-unreadable"


def test_the_newest_key_seals_and_older_ones_go_on_opening() -> None:
    before = sealing.seal(SECRET, "purpose", (OLD,))
    after = sealing.seal(SECRET, "purpose", (NEW, OLD))
    assert sealing.unseal(before, "purpose", (NEW, OLD)) == SECRET
    assert sealing.unseal(after, "purpose", (NEW,)) == SECRET
    assert refusal(after, keys=(OLD,)) == "sealed-secret-unreadable"
    assert refusal(before, keys=(NEW, STRANGE)) == "sealed-secret-unreadable"


def test_a_key_is_named_without_being_told() -> None:
    assert sealing.key_id(OLD) != sealing.key_id(NEW)
    assert len(sealing.key_id(NEW)) == 8


@pytest.mark.parametrize("separator", [",", "\n", " ", ", ", "\r\n"])
def test_the_keys_are_read_in_their_order(separator: str) -> None:
    text = separator.join(base64.urlsafe_b64encode(key).decode() for key in (NEW, OLD))
    assert sealing.read_keys(f"{text}\n") == (NEW, OLD)


# Always the same, since it is part of the tests' names.
KEY_TEXT = base64.urlsafe_b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "not base64!",
        base64.urlsafe_b64encode(bytes(31)).decode(),
        base64.urlsafe_b64encode(bytes(33)).decode(),
        f"{KEY_TEXT},short",
        f"{KEY_TEXT[:-1]}é",
        KEY_TEXT.rstrip("="),
    ],
)
def test_a_key_that_cannot_be_used_is_a_problem_and_is_not_repeated(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        sealing.read_keys(text)
    assert caught.value.problem.code == "encryption-keys-unusable"
    assert not text.strip() or text not in str(caught.value.problem.to_json())


def test_a_new_key_can_be_read_and_is_always_another() -> None:
    made = {sealing.read_keys(sealing.new_key())[0] for _ in range(20)}
    assert len(made) == 20


def test_the_installations_keys_are_used_unless_others_are_given(settings: Settings) -> None:
    settings.READ_ENCRYPTION_KEYS = lambda: base64.urlsafe_b64encode(NEW).decode()
    assert sealing.unseal(sealing.seal(SECRET, "purpose"), "purpose", (NEW,)) == SECRET


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no key"),
        (KEY_TEXT[:-4], "Key 1 for encryption at rest is damaged"),
        (f"{KEY_TEXT}\n{KEY_TEXT} short\n", "Key 3 for encryption at rest is damaged"),
    ],
)
def test_the_sentence_says_which_key_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ProblemError) as caught:
        sealing.read_keys(text)
    assert said in caught.value.problem.explanation


@pytest.mark.parametrize("error", [OSError("/keys cannot be read."), ValueError("/keys: no text.")])
def test_keys_that_cannot_be_read_are_a_problem(settings: Settings, error: Exception) -> None:
    def fail() -> str:
        raise error

    settings.READ_ENCRYPTION_KEYS = fail
    sealed = sealing.seal(SECRET, "purpose", (NEW,))
    attempts: list[Callable[[], object]] = [
        lambda: sealing.seal(SECRET, "purpose"),
        lambda: sealing.unseal(sealed, "purpose"),
    ]
    for attempt in attempts:
        with pytest.raises(ProblemError) as caught:
            attempt()
        assert caught.value.problem.code == "encryption-keys-unusable"
        assert caught.value.problem.explanation == str(error)


def test_a_key_is_used_as_soon_as_it_is_in_the_file_and_no_longer(settings: Settings) -> None:
    present = [OLD]
    settings.READ_ENCRYPTION_KEYS = lambda: sealing.write_keys(present)
    before = sealing.seal(SECRET, "purpose")
    present.insert(0, NEW)
    after = sealing.seal(SECRET, "purpose")

    assert before.startswith(sealing.prefix(OLD))
    assert after.startswith(sealing.prefix(NEW))
    assert sealing.unseal(before, "purpose") == sealing.unseal(after, "purpose") == SECRET
    present.pop()
    with pytest.raises(ProblemError):
        sealing.unseal(before, "purpose")


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1))
def test_keys_are_read_as_they_were_written(keys: list[bytes]) -> None:
    assert sealing.read_keys(sealing.write_keys(keys)) == tuple(keys)


def test_without_keys_nothing_is_sealed(settings: Settings) -> None:
    settings.READ_ENCRYPTION_KEYS = lambda: ""
    with pytest.raises(ProblemError) as caught:
        sealing.seal(SECRET, "purpose")
    assert caught.value.problem.code == "encryption-keys-unusable"
