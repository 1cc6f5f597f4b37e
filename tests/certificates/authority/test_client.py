from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import threading
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certificates import keys
from certificates.authority import (
    AccountKey,
    AcmeError,
    Authority,
    InvalidAnswerError,
    UnreachableError,
    client,
    connection,
    new_account_key,
)
from tests.certificates.authority.ca import Ca, Reply, Seen, dns, refusal
from tests.certificates.authority.test_transport import FOREIGN, foreign
from tests.certificates.chains import new_key

REFUSED = refusal("badNonce")


# Registering


def test_an_account_is_registered_with_its_key_and_then_known_by_its_url(
    ca: Ca, authority: Authority, account_key: AccountKey
) -> None:
    assert authority.register("postmaster@example.org") == f"{ca.base}/account/1"
    authority.order(f"{ca.base}/order/1")
    registering, asking = ca.requests("/new-account")[0], ca.requests("/order/1")[0]
    assert json.loads(registering.payload) == {
        "contact": ["mailto:postmaster@example.org"],
        "termsOfServiceAgreed": True,
    }
    assert "kid" not in registering.protected
    assert registering.protected["jwk"]["kty"] == "EC"
    assert asking.protected["kid"] == f"{ca.base}/account/1"
    assert "jwk" not in asking.protected
    assert asking.payload == b""
    for seen in (registering, asking):
        assert seen.protected["url"] == ca.base + seen.path
        assert seen.headers["Content-Type"] == "application/jose+json"
    assert "BEGIN" not in repr(account_key)
    assert repr(account_key) == "AccountKey()"


def test_without_an_email_there_is_no_contact(ca: Ca, authority: Authority) -> None:
    authority.register("")
    assert not json.loads(ca.requests("/new-account")[0].payload).get("contact")


@pytest.mark.parametrize("address", FOREIGN)
def test_an_account_elsewhere_is_not_believed(ca: Ca, authority: Authority, address: str) -> None:
    ca.answers["/new-account"] = Reply({}, 201, {"Location": foreign(ca, address)})
    with pytest.raises(InvalidAnswerError):
        authority.register("postmaster@example.org")


def test_account_keys_are_p256_and_never_the_same() -> None:
    made = [new_account_key() for _ in range(5)]
    assert len({key.thumbprint for key in made}) == 5
    loaded = serialization.load_der_private_key(made[0].der, password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    assert loaded.curve.name == "secp256r1"
    assert len(made[0].thumbprint) == 43


# Orders


def ordered(ca: Ca, document: object) -> Reply:
    return Reply(document, 201, {"Location": f"{ca.base}/order/1"})


def test_an_order_asks_for_a_profile_and_names_what_it_replaces(
    ca: Ca, authority: Authority
) -> None:
    authority.new_order(["mx.example.org"], profile="shortlived", replaces="aYhba4dG.AIdlQyE")
    assert json.loads(ca.requests("/new-order")[0].payload) == {
        "identifiers": [{"type": "dns", "value": "mx.example.org"}],
        "profile": "shortlived",
        "replaces": "aYhba4dG.AIdlQyE",
    }


def test_a_ca_may_sort_the_names_and_write_them_otherwise(ca: Ca, authority: Authority) -> None:
    document = ca.order(identifiers=dns("a.example.org", "MX.Example.Org"))
    ca.answers["/new-order"] = ordered(ca, document)
    ca.answers["/order/1"] = ca.answers["/finalize/1"] = Reply(document)
    names = ["mx.example.org", "A.example.org"]
    url, csr = f"{ca.base}/order/1", keys.make_csr(new_key(), names)
    assert authority.new_order(names).url == url
    assert authority.order(url, names).url == url
    assert authority.finalize(url, f"{ca.base}/finalize/1", csr, names).url == url


@pytest.mark.parametrize(
    "identifiers",
    [
        None,
        [],
        dns("evil.example"),
        dns("a.example.org"),
        dns("a.example.org", "b.example.org", "c.example.org"),
        [*dns("a.example.org"), {"type": "ip", "value": "b.example.org"}],
        [*dns("a.example.org"), {"type": "dns", "value": 5}],
        [{"type": "new", "value": "a.example.org"}],
        "a.example.org",
    ],
)
def test_an_order_for_other_names_than_ours_is_not_believed(
    ca: Ca, authority: Authority, identifiers: object
) -> None:
    document = ca.order(identifiers=identifiers)
    ca.answers["/new-order"] = ordered(ca, document)
    ca.answers["/order/1"] = ca.answers["/finalize/1"] = Reply(document)
    names = ["a.example.org", "b.example.org"]
    url, csr = f"{ca.base}/order/1", keys.make_csr(new_key(), names)
    with pytest.raises(InvalidAnswerError):
        authority.new_order(names)
    with pytest.raises(InvalidAnswerError):
        authority.order(url, names)
    with pytest.raises(InvalidAnswerError):
        authority.finalize(url, f"{ca.base}/finalize/1", csr, names)


def test_an_order_has_a_hundred_authorizations_at_most(ca: Ca, authority: Authority) -> None:
    urls = [f"{ca.base}/authorization/{number}" for number in range(101)]
    ca.answers["/order/1"] = Reply(ca.order(authorizations=urls[:100]))
    assert len(authority.order(f"{ca.base}/order/1").authorization_urls) == 100
    ca.answers["/order/1"] = Reply(ca.order(authorizations=urls))
    with pytest.raises(InvalidAnswerError, match="too many"):
        authority.order(f"{ca.base}/order/1")


@pytest.mark.parametrize("field", ["expires", "authorizations", "error", "certificate"])
@pytest.mark.parametrize("value", [True, 5, [5], {"a": 1}, "0001-01-01T00:00:00+14:00"])
def test_a_part_of_an_order_that_is_none_is_not_believed(
    ca: Ca, authority: Authority, field: str, value: object
) -> None:
    ca.answers["/order/1"] = Reply(ca.order(**{field: value}))
    with contextlib.suppress(InvalidAnswerError):
        order = authority.order(f"{ca.base}/order/1")
        assert (field, order.certificate_url) == ("error", "")


def test_an_order_is_read_with_aware_times(ca: Ca, authority: Authority) -> None:
    names = ["mx.example.org", "xn--mnchen-3ya.example"]
    ca.answers["/new-order"] = ordered(ca, ca.order(identifiers=dns(*names)))
    order = authority.new_order(names)
    assert json.loads(ca.requests("/new-order")[0].payload) == {
        "identifiers": [
            {"type": "dns", "value": "mx.example.org"},
            {"type": "dns", "value": "xn--mnchen-3ya.example"},
        ]
    }
    assert order.url == f"{ca.base}/order/1"
    assert order.status == "pending"
    assert order.authorization_urls == (f"{ca.base}/authorization/1",)
    assert order.expires_at == datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
    assert (order.certificate_url, order.problem, order.retry_after) == ("", None, None)


@pytest.mark.parametrize(
    ("field", "address"),
    [
        (field, address)
        for field in ("finalize", "certificate", "authorizations", "Location")
        for address in FOREIGN
        if (field, address) != ("certificate", "")  # means that there is none yet
    ],
)
def test_an_order_that_leads_elsewhere_is_not_believed(
    ca: Ca, authority: Authority, field: str, address: str
) -> None:
    url = foreign(ca, address)
    location = {"Location": url if field == "Location" else f"{ca.base}/order/1"}
    changes: dict[str, object] = {field: [url] if field == "authorizations" else url}
    ca.answers["/new-order"] = Reply(ca.order(**changes), 201, location)
    with pytest.raises(InvalidAnswerError):
        authority.new_order(["mx.example.org"])
    assert {seen.path for seen in ca.seen} == {"/directory", "/new-order"}


@pytest.mark.parametrize("status", ["", "revoked", "expired", "unknown", "x", 5, None])
def test_an_order_is_only_in_a_state_that_orders_have(
    ca: Ca, authority: Authority, status: object
) -> None:
    ca.answers["/order/1"] = Reply(ca.order(status=status))
    with pytest.raises(InvalidAnswerError):
        authority.order(f"{ca.base}/order/1")


def test_an_order_whose_authorization_was_given_up_has_ended(ca: Ca, authority: Authority) -> None:
    ca.answers["/order/1"] = Reply(ca.order(status="deactivated"))
    assert authority.order(f"{ca.base}/order/1").status == "invalid"


def test_an_invalid_order_says_why(ca: Ca, authority: Authority) -> None:
    ca.answers["/order/1"] = Reply(ca.order(status="invalid", error=refusal("caa").body))
    problem = authority.order(f"{ca.base}/order/1").problem
    assert problem is not None
    assert (problem.type, problem.detail) == ("caa", "said the CA")


def test_a_request_is_handed_in_and_the_order_keeps_its_address(
    ca: Ca, authority: Authority
) -> None:
    certificate = f"{ca.base}/certificate/1"
    ca.answers["/finalize/1"] = Reply(ca.order(status="valid", certificate=certificate))
    csr = keys.make_csr(new_key(), ["mx.example.org"])
    order = authority.finalize(f"{ca.base}/order/1", f"{ca.base}/finalize/1", csr)
    assert (order.url, order.certificate_url) == (f"{ca.base}/order/1", certificate)
    assert list(json.loads(ca.requests("/finalize/1")[0].payload)) == ["csr"]


def test_the_chain_is_downloaded_as_it_is(ca: Ca, authority: Authority) -> None:
    chain = client.PEM_BEGIN + b" and any bytes \xff"
    ca.answers["/certificate/1"] = Reply(chain)
    assert authority.download(f"{ca.base}/certificate/1") == chain
    seen = ca.requests("/certificate/1")[0]
    assert seen.headers["Accept"] == "application/pem-certificate-chain"
    assert seen.payload == b""


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"\xff"])
def test_a_page_is_not_taken_for_a_chain(ca: Ca, authority: Authority, body: bytes) -> None:
    ca.answers["/certificate/1"] = Reply(body)
    with pytest.raises(InvalidAnswerError):
        authority.download(f"{ca.base}/certificate/1")


# Authorizations


def test_the_http_challenge_is_found_among_others(
    ca: Ca, authority: Authority, account_key: AccountKey
) -> None:
    answer = authority.authorization(f"{ca.base}/authorization/1")
    challenge = answer.challenge
    assert (answer.identifier, answer.status, answer.problem) == ("mx.example.org", "pending", None)
    assert challenge is not None
    assert challenge.url == f"{ca.base}/challenge/1"
    assert challenge.key_authorization == f"{challenge.token}.{account_key.thumbprint}"


def test_an_authorization_without_the_http_challenge_has_none(ca: Ca, authority: Authority) -> None:
    for challenges in ([], None, [{"type": "dns-01", "url": f"{ca.base}/x", "token": "x" * 43}]):
        ca.answers["/authorization/1"] = Reply(ca.authorization(challenges=challenges))
        assert authority.authorization(f"{ca.base}/authorization/1").challenge is None


def test_a_failed_challenge_says_why_and_for_which_name(ca: Ca, authority: Authority) -> None:
    failed = ca.challenge(status="invalid", error=refusal("connection").body)
    ca.answers["/authorization/1"] = Reply(ca.authorization(status="invalid", challenges=[failed]))
    problem = authority.authorization(f"{ca.base}/authorization/1").problem
    assert problem is not None
    assert (problem.type, problem.identifier) == ("connection", "mx.example.org")


def test_an_authorization_for_a_name_that_was_not_ordered_is_not_believed(
    ca: Ca, authority: Authority
) -> None:
    url = f"{ca.base}/authorization/1"
    assert authority.authorization(url, ["a.example.org", "MX.example.org"]).status == "pending"
    for identifier in (
        {"type": "dns", "value": "evil.example"},
        {"type": "ip", "value": "mx.example.org"},
    ):
        ca.answers["/authorization/1"] = Reply(ca.authorization(identifier=identifier))
        with pytest.raises(InvalidAnswerError, match="not ordered"):
            authority.authorization(url, ["mx.example.org"])


def test_an_authorization_is_given_up(ca: Ca, authority: Authority) -> None:
    authority.deactivate_authorization(f"{ca.base}/authorization/1")
    (seen,) = ca.requests("/authorization/1")
    assert json.loads(seen.payload) == {"status": "deactivated"}


@pytest.mark.parametrize(
    "token",
    [
        "../../etc/passwd",
        "short",
        "a" * 21,
        "a" * 129,
        "a/" * 20,
        "a b" * 20,
        "a%2f" * 20,
        "é" * 30,
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA\n",
        "",
        5,
        None,
    ],
)
def test_no_token_becomes_an_unsafe_path(ca: Ca, authority: Authority, token: object) -> None:
    ca.answers["/authorization/1"] = Reply(ca.authorization(challenges=[ca.challenge(token=token)]))
    with contextlib.suppress(InvalidAnswerError):
        challenge = authority.authorization(f"{ca.base}/authorization/1").challenge
        assert challenge is not None
        assert client.TOKEN.fullmatch(challenge.token)


@pytest.mark.parametrize("address", FOREIGN)
def test_a_challenge_elsewhere_is_not_believed(ca: Ca, authority: Authority, address: str) -> None:
    ca.answers["/authorization/1"] = Reply(
        ca.authorization(challenges=[ca.challenge(url=foreign(ca, address))])
    )
    with pytest.raises(InvalidAnswerError):
        authority.authorization(f"{ca.base}/authorization/1")


@pytest.mark.parametrize("status", ["invalid", "expired", "revoked", "deactivated"])
def test_an_authorization_may_have_ended_in_every_way_of_the_rfc(
    ca: Ca, authority: Authority, status: str
) -> None:
    ca.answers["/authorization/1"] = Reply(ca.authorization(status=status))
    assert authority.authorization(f"{ca.base}/authorization/1").status == status


def test_answering_a_challenge_sends_an_empty_object(ca: Ca, authority: Authority) -> None:
    ca.answers["/challenge/1"] = Reply(ca.challenge())
    authority.answer(f"{ca.base}/challenge/1")
    assert ca.requests("/challenge/1")[0].payload == b"{}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"{}"])
def test_a_page_is_not_taken_for_the_cas_word_that_it_will_validate(
    ca: Ca, authority: Authority, body: bytes
) -> None:
    ca.answers["/challenge/1"] = Reply(body)
    with pytest.raises(InvalidAnswerError):
        authority.answer(f"{ca.base}/challenge/1")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    field=st.sampled_from(
        "status expires identifiers identifier challenges authorizations finalize error".split()
    ),
    value=values,
    whole=st.booleans(),
)
def test_no_answer_leads_to_anything_but_our_own_errors(
    ca: Ca, authority: Authority, field: str, value: object, whole: bool
) -> None:
    order, authorization = ca.order(**{field: value}), ca.authorization(**{field: value})
    ca.answers["/order/1"] = Reply(value if whole else order)
    ca.answers["/authorization/1"] = Reply(value if whole else authorization)
    for ask, path in (
        (authority.order, "/order/1"),
        (authority.authorization, "/authorization/1"),
    ):
        try:
            ask(ca.base + path)
        except InvalidAnswerError:
            continue


# Refused nonces


def refuse_first(count: int, answer: Reply) -> list[Reply]:
    return [*itertools.repeat(REFUSED, count), answer]


def test_a_refused_nonce_is_replaced_by_the_one_of_the_refusal(
    ca: Ca, authority: Authority
) -> None:
    replies = iter(refuse_first(7, Reply(ca.order())))
    ca.answers["/order/1"] = lambda _: next(replies)
    assert authority.order(f"{ca.base}/order/1").status == "pending"
    nonces = [seen.protected["nonce"] for seen in ca.requests("/order/1")]
    assert len(set(nonces)) == len(nonces) == 8
    assert ca.requests("/new-nonce") == []


def test_a_ca_that_refuses_every_nonce_is_given_up(
    ca: Ca, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "NONCE_DEADLINE", 0.1)
    ca.answers["/order/1"] = REFUSED
    with pytest.raises(AcmeError) as caught:
        authority.order(f"{ca.base}/order/1")
    assert caught.value.problem.type == "badNonce"


def test_any_other_refusal_is_not_repeated(ca: Ca, authority: Authority) -> None:
    ca.answers["/order/1"] = refusal("serverInternal", 500)
    with pytest.raises(AcmeError):
        authority.order(f"{ca.base}/order/1")
    assert len(ca.requests("/order/1")) == 1


def test_a_question_with_all_that_belongs_to_it_has_one_deadline(
    ca: Ca, account_key: AccountKey
) -> None:
    def slowly(reply: Reply) -> Callable[[Seen], Reply]:
        def answer(_: Seen) -> Reply:
            threading.Event().wait(0.2)
            return reply

        return answer

    for path, reply in (
        ("/directory", Reply(ca.directory(), nonce=False)),
        ("/new-nonce", Reply(b"")),
        ("/new-order", ordered(ca, ca.order())),
    ):
        ca.answers[path] = slowly(reply)
    impatient = Authority(ca.url, account_key, ca.bundle, limit=0.3)
    with pytest.raises(UnreachableError, match=r"longer than 0\.3 seconds"):
        impatient.new_order(["mx.example.org"])
    assert ca.requests("/new-order") == []
    patient = Authority(ca.url, account_key, ca.bundle, limit=20)
    assert patient.new_order(["mx.example.org"]).status == "pending"


# Kept connections


def ask(ca: Ca, key: AccountKey, path: str = "/order/1") -> None:
    with connection(ca.url, key, f"{ca.base}/account/1", ca.bundle) as borrowed:
        borrowed.order(ca.base + path)


def test_a_connection_is_kept_with_its_nonces_also_after_a_refusal(ca: Ca) -> None:
    key = new_account_key()
    ca.answers["/gone"] = refusal("malformed", 404)
    ask(ca, key)
    with pytest.raises(AcmeError):
        ask(ca, key, "/gone")
    ask(ca, key)
    assert ca.connections == 1
    assert len(ca.requests("/directory")) == 1
    assert len(ca.requests("/new-nonce")) == 0


def test_a_connection_that_broke_is_not_used_again(ca: Ca) -> None:
    key = new_account_key()
    ca.answers["/broken"] = Reply(b"{}", promised=1000)
    with pytest.raises(UnreachableError):
        ask(ca, key, "/broken")
    broken = ca.connections
    ask(ca, key)
    assert ca.connections == broken + 1
    # What it said before it broke is as good as it was.
    assert len(ca.requests("/directory")) == 1


def test_two_accounts_never_share_a_connection(ca: Ca) -> None:
    keys_seen = []
    for key in (new_account_key(), new_account_key()):
        with connection(ca.url, key, "", ca.bundle) as borrowed:
            borrowed.register("")
        keys_seen.append(ca.requests("/new-account")[-1].protected["jwk"]["x"])
    assert len(set(keys_seen)) == 2


def test_two_who_ask_at_once_get_one_connection_each(ca: Ca) -> None:
    key = new_account_key()
    with (
        connection(ca.url, key, "", ca.bundle) as first,
        connection(ca.url, key, "", ca.bundle) as second,
    ):
        assert first is not second
