"""Every fault of the faulty CA is seen by a client exactly as it is meant."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import socket
import time
from collections.abc import Callable

import pytest
import requests
from cryptography import x509

from tests.parts.bare_acme import BareAcme, names_in, problem
from tests.parts.faulty_ca import (
    Endpoint,
    Fault,
    FaultyCa,
    forging,
    http_date,
)
from tests.parts.processes import wait_until
from tests.parts.raw_tls import RawTls, drain

URN = "urn:ietf:params:acme:error:"
NAME = "mx.example.test"


# Answers instead of the CA's


@pytest.mark.parametrize("status", [400, 404, 429, 500, 502, 503, 504, 599])
def test_a_status_is_answered_and_the_ca_is_not_asked(
    faulty_ca: FaultyCa, bare: BareAcme, status: int
) -> None:
    faulty_ca.rules.add(Fault.status(status), at=Endpoint.NEW_ORDER, times=1)
    answer = bare.new_order(NAME)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/plain")
    assert "Replay-Nonce" not in answer.headers
    assert "Retry-After" not in answer.headers
    assert faulty_ca.requests(Endpoint.NEW_ORDER)[0].answered_by == f"status {status}"
    assert faulty_ca.log.orders_placed == 0
    assert bare.new_order(NAME).status_code == 201


@pytest.mark.parametrize(
    "retry_after",
    [
        "120",
        "99999999999",
        "-5",
        "soon",
        http_date(datetime.datetime(2026, 11, 23, 16, 0, tzinfo=datetime.UTC)),
    ],
)
def test_a_problem_has_its_document_its_retry_after_and_a_nonce_that_is_valid(
    faulty_ca: FaultyCa, bare: BareAcme, retry_after: str
) -> None:
    faulty_ca.rules.add(
        Fault.problem(
            "rateLimited",
            status=429,
            detail="too many",
            retry_after=retry_after,
            subproblems=[{"type": URN + "caa"}],
        ),
        at=Endpoint.NEW_ORDER,
        times=1,
    )
    refused = bare.new_order(NAME)
    assert (refused.status_code, problem(refused)) == (429, "rateLimited")
    assert refused.json()["detail"] == "too many"
    assert refused.json()["subproblems"] == [{"type": URN + "caa"}]
    assert refused.headers["Retry-After"] == retry_after
    assert bare.accepts(refused.headers["Replay-Nonce"])


def test_an_http_date_is_in_utc_whatever_the_zone() -> None:
    eastern = datetime.timezone(datetime.timedelta(hours=-5))
    moment = datetime.datetime(2026, 11, 23, 11, 0, tzinfo=eastern)
    assert http_date(moment) == "Mon, 23 Nov 2026 16:00:00 GMT"


def test_a_refused_nonce_is_still_valid_and_so_is_the_new_one(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    rule = faulty_ca.rules.add(Fault.bad_nonce(), times=1)
    nonce = bare.nonce()
    assert rule.hits == 0, "a nonce is refused only where one is needed"
    refused = bare.post(bare.account, {"contact": []}, nonce=nonce)
    assert (refused.status_code, problem(refused)) == (400, "badNonce")
    fresh = refused.headers["Replay-Nonce"]
    assert fresh != nonce
    assert bare.accepts(fresh)
    assert bare.accepts(nonce)
    assert not bare.accepts(nonce), "the CA itself refuses what was used"


def test_any_answer_can_be_given(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.add(Fault.answer(203, ["not", "ACME"], (("X-Odd", "1"), ("Replay-Nonce", "!"))))
    answer = bare.get(faulty_ca.directory_url)
    assert (answer.status_code, answer.json()) == (203, ["not", "ACME"])
    assert (answer.headers["X-Odd"], answer.headers["Replay-Nonce"]) == ("1", "!")


def test_html_and_enormous_bodies_arrive_whole(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.script(Endpoint.DIRECTORY, [Fault.html(), Fault.huge()])
    page, huge = bare.get(faulty_ca.directory_url), bare.get(faulty_ca.directory_url)
    assert page.headers["Content-Type"] == "text/html"
    assert page.text.startswith("<!DOCTYPE html>")
    assert len(huge.content) == 10 * 1024 * 1024
    assert set(huge.json()) == {"status"}


def test_a_client_that_leaves_an_enormous_body_harms_nobody(
    faulty_ca: FaultyCa, bare: BareAcme, raw: Callable[[], RawTls]
) -> None:
    faulty_ca.rules.add(Fault.huge(), times=1)
    connection = raw()
    connection.ask()
    connection.socket.recv(1000)
    connection.close()
    assert bare.get(faulty_ca.directory_url).status_code == 200
    assert faulty_ca.errors == []


# The CA's answers, changed


def test_headers_can_be_missing_or_wrong(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.script(
        Endpoint.NEW_ORDER,
        [
            Fault.without_headers("replay-nonce", "Location"),
            Fault.header("Content-Type", "text/plain"),
        ],
    )
    bare_answer, typed = bare.new_order(NAME), bare.new_order(NAME)
    assert bare_answer.status_code == typed.status_code == 201
    assert not {"Replay-Nonce", "Location"} & set(bare_answer.headers)
    assert typed.headers["Content-Type"] == "text/plain"
    assert faulty_ca.log.orders_placed == 2


def test_the_link_to_the_authorization_can_be_missing(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    def answered() -> requests.Response:
        order = bare.new_order(NAME).json()
        return bare.post(bare.post(order["authorizations"][0]).json()["challenges"][0]["url"], {})

    assert {"up", "index"} <= set(answered().links)
    faulty_ca.rules.add(Fault.without_link("up"))
    assert "up" not in (links := answered().links)
    assert "index" in links


@pytest.mark.parametrize(
    ("base", "begins"),
    [
        ("https://evil.example", "https://evil.example/"),
        ("http://{host}", "http://127.0.0.1:{port}/"),
        ("https://{host}.evil.example", "https://127.0.0.1:{port}.evil.example/"),
    ],
)
def test_orders_can_lead_elsewhere(
    faulty_ca: FaultyCa, bare: BareAcme, base: str, begins: str
) -> None:
    faulty_ca.rules.add(Fault.urls(base), at=Endpoint.NEW_ORDER)
    answer = bare.new_order(NAME)
    order, begins = answer.json(), begins.format(port=faulty_ca.port)
    for url in (answer.headers["Location"], order["finalize"], *order["authorizations"]):
        assert url.startswith(begins)
    assert faulty_ca.log.orders_placed == 1


def test_fields_can_have_any_value_or_be_missing(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.add(Fault.fields(status="wandering", expires=None), at=Endpoint.NEW_ORDER)
    order = bare.new_order(NAME).json()
    assert order["status"] == "wandering"
    assert "expires" not in order
    assert "finalize" in order


def test_tokens_can_be_malformed_in_authorizations_and_challenges(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.rules.add(Fault.token("../../etc/passwd"))
    order = bare.new_order(NAME).json()
    challenges = bare.post(order["authorizations"][0]).json()["challenges"]
    assert {challenge["token"] for challenge in challenges} == {"../../etc/passwd"}
    assert bare.post(challenges[0]["url"]).json()["token"] == "../../etc/passwd"
    assert "token" not in order


def test_bodies_can_be_changed_in_any_way(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.script(
        Endpoint.DIRECTORY,
        [Fault.body(b"\xff"), Fault.change("doubled", lambda e: e.answer.saying([1]))],
    )
    assert bare.get(faulty_ca.directory_url).content == b"\xff"
    assert bare.get(faulty_ca.directory_url).json() == [1]


def test_an_order_stays_processing_for_so_many_polls(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    faulty_ca.rules.add(Fault.processing(3))
    placed = bare.new_order(NAME)
    bare.authorize(placed.json())
    order = bare.wait_for(placed.headers["Location"], "ready")
    assert bare.finalize(order).json()["status"] == "processing"
    wait_until(lambda: len(faulty_ca.pebble.requests()) > 0, "Pebble has issued")
    polled = [bare.post(placed.headers["Location"]).json() for _ in range(3)]
    assert [document["status"] for document in polled] == ["processing"] * 3
    assert not any("certificate" in document for document in polled)
    assert "certificate" in bare.wait_for(placed.headers["Location"], "valid")


# Another certificate than was ordered


def key_of(chain: list[x509.Certificate]) -> object:
    return chain[0].public_key()


def forged(ca: FaultyCa, bare: BareAcme, fault: Fault) -> list[x509.Certificate]:
    """The chain that arrives, for an order of two names."""
    ca.rules.add(fault)
    return bare.issue(NAME, f"smtp.{NAME}")


def ordered_key(ca: FaultyCa) -> object:
    issued = next(iter(ca.issued.values()))
    assert issued.order.csr is not None
    return issued.order.csr.public_key()


def is_signed(chain: list[x509.Certificate]) -> bool:
    """Whether the first certificate is signed by the second."""
    try:
        chain[0].verify_directly_issued_by(chain[1])
    except Exception:
        return False
    return True


def test_a_chain_can_be_for_another_key(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    chain = forged(faulty_ca, bare, Fault.forged(forging.other_key))
    assert key_of(chain) != ordered_key(faulty_ca)
    assert names_in(chain[0]) == {NAME, f"smtp.{NAME}"}


@pytest.mark.parametrize(
    ("forger", "names"),
    [
        (forging.other_names, {"elsewhere.example.test"}),
        (forging.fewer_names, {NAME}),
    ],
)
def test_a_chain_can_be_for_other_names(
    faulty_ca: FaultyCa, bare: BareAcme, forger: forging.Forger, names: set[str]
) -> None:
    chain = forged(faulty_ca, bare, Fault.forged(forger))
    assert key_of(chain) == ordered_key(faulty_ca)
    assert names_in(chain[0]) == names
    assert is_signed(chain)


def test_a_chain_can_have_ended_or_not_begun(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    now = datetime.datetime.now(datetime.UTC)
    ended = forged(faulty_ca, bare, Fault.forged(forging.expired))[0]
    assert ended.not_valid_after_utc < now
    faulty_ca.rules.clear()
    future = forged(faulty_ca, bare, Fault.forged(forging.not_yet_valid))[0]
    assert future.not_valid_before_utc > now


def test_a_chain_can_be_broken_reversed_or_short(faulty_ca: FaultyCa, bare: BareAcme) -> None:
    broken = forged(faulty_ca, bare, Fault.forged(forging.foreign_issuer))
    assert broken[0].issuer == broken[1].subject
    assert not is_signed(broken)
    faulty_ca.rules.clear()
    backwards = forged(faulty_ca, bare, Fault.rearranged(forging.reversed_chain))
    assert is_signed(backwards[::-1])
    faulty_ca.rules.clear()
    assert len(forged(faulty_ca, bare, Fault.rearranged(forging.leaf_alone))) == 1


# The connection, hurt


def test_a_reset_before_the_ca_is_asked_leaves_no_order(
    faulty_ca: FaultyCa, bare: BareAcme
) -> None:
    faulty_ca.rules.add(Fault.reset_before(), at=Endpoint.NEW_ORDER, times=1)
    with pytest.raises(requests.ConnectionError):
        bare.new_order(NAME)
    assert faulty_ca.log.orders_placed == 0
    assert bare.new_order(NAME).status_code == 201


@pytest.mark.parametrize("fault", [Fault.reset_after(), Fault.close_after()])
def test_an_answer_can_be_lost_when_the_ca_has_placed_the_order(
    faulty_ca: FaultyCa, bare: BareAcme, fault: Fault
) -> None:
    faulty_ca.rules.add(fault, at=Endpoint.NEW_ORDER, times=1)
    with pytest.raises(requests.ConnectionError):
        bare.new_order(NAME)
    assert faulty_ca.log.orders_placed == 1
    assert faulty_ca.requests(Endpoint.NEW_ORDER)[0].answered_by == fault.name


@pytest.mark.parametrize("fault", [Fault.reset_before(), Fault.reset_after()])
def test_a_reset_is_one_of_tcp(
    faulty_ca: FaultyCa, raw: Callable[[], RawTls], fault: Fault
) -> None:
    faulty_ca.rules.add(fault, at=Endpoint.DIRECTORY)
    connection = raw()
    connection.ask()
    # Python's TLS shows a reset as an end, so look below it.
    with socket.socket(fileno=os.dup(connection.socket.fileno())) as below:
        below.settimeout(10)
        with pytest.raises(ConnectionResetError):
            drain(below)


def test_a_close_is_no_reset(faulty_ca: FaultyCa, raw: Callable[[], RawTls]) -> None:
    faulty_ca.rules.add(Fault.close_after(), at=Endpoint.DIRECTORY)
    connection = raw()
    connection.ask()
    drain(connection.socket)


def test_a_truncated_answer_promises_more_than_comes(
    faulty_ca: FaultyCa, raw: Callable[[], RawTls]
) -> None:
    faulty_ca.rules.add(Fault.truncate(), at=Endpoint.DIRECTORY, times=1)
    connection = raw()
    connection.ask()
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.answer()
    assert len(caught.value.partial) > 100
    assert abs(len(caught.value.partial) - (caught.value.expected or 0)) <= 1


def test_a_truncated_answer_without_a_body_ends_in_its_head(
    faulty_ca: FaultyCa, raw: Callable[[], RawTls]
) -> None:
    faulty_ca.rules.add(Fault.truncate())
    connection = raw()
    connection.ask(method="HEAD")
    received = drain(connection.socket)
    assert received.startswith(b"HTTP/1.1 ")
    assert b"\r\n\r\n" not in received


def test_a_trickled_body_comes_a_byte_at_a_time_and_is_whole(
    faulty_ca: FaultyCa, raw: Callable[[], RawTls]
) -> None:
    faulty_ca.rules.add(Fault.trickle(pause=0.0005), at=Endpoint.DIRECTORY, times=1)
    connection = raw()
    connection.ask()
    begun = time.monotonic()
    head = connection.socket.recv(65536)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    pieces = [head.split(b"\r\n\r\n")[1]]
    while sum(map(len, pieces)) < length:
        pieces.append(connection.socket.recv(65536))
    assert json.loads(b"".join(pieces))["newOrder"]
    assert max(map(len, pieces)) < 50
    assert time.monotonic() - begun >= length * 0.0005
    connection.ask()
    assert connection.answer()[0].status == 200


def test_a_stalled_request_never_gets_an_answer(
    faulty_ca: FaultyCa, raw: Callable[[], RawTls]
) -> None:
    faulty_ca.rules.add(Fault.stall(), at=Endpoint.DIRECTORY, times=1)
    connection = raw()
    connection.ask()
    connection.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.socket.recv(1)
    # The proxy notices that the client goes, and others were never disturbed.
    connection.close()
    other = raw()
    other.ask()
    assert other.answer()[0].status == 200


def test_a_stall_can_end_by_itself(faulty_ca: FaultyCa, raw: Callable[[], RawTls]) -> None:
    faulty_ca.rules.add(Fault.stall(seconds=0.2), at=Endpoint.DIRECTORY, times=1)
    connection, begun = raw(), time.monotonic()
    connection.ask()
    assert drain(connection.socket) == b""
    assert time.monotonic() - begun >= 0.2


def test_an_answer_can_be_late(faulty_ca: FaultyCa, raw: Callable[[], RawTls]) -> None:
    faulty_ca.rules.script(Endpoint.DIRECTORY, [Fault.slow(0.2), Fault.status(503).after(0.2)])
    connection = raw()
    for status in (200, 503):
        begun = time.monotonic()
        connection.ask()
        assert connection.answer()[0].status == status
        assert time.monotonic() - begun >= 0.2
