from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import pytest

from certificates.authority import (
    AcmeError,
    InvalidAnswerError,
    UnreachableError,
    fetch_directory,
)
from certificates.authority.transport import (
    DIRECTORY_LIFETIME,
    MAX_BODY,
    MOST_NONCES,
    USER_AGENT,
    Transport,
)
from tests.certificates.authority.ca import Ca, Reply, refusal
from tests.parts.pki import HttpsAuthority
from tests.parts.processes import free_port

FOREIGN = [
    "https://evil.example/x",
    "https://127.0.0.1:1/x",
    "https://127.0.0.1/x",
    "http://127.0.0.1:{port}/x",
    "https://127.0.0.1:{port}@evil.example/x",
    "https://user@127.0.0.1:{port}/x",
    "https://127.0.0.1:{port}.evil.example/x",
    "https://localhost:{port}/x",
    "//127.0.0.1:{port}/x",
    "/x",
    "x",
    "",
    "file:///etc/passwd",
    "https://[",
    "https://[::1",
    "https://127.0.0.1:{port}/a b",
    "https://127.0.0.1:{port}/\tx",
    "https://127.0.0.1:{port}/\u00fc",
    "https://127.0.0.1:{port}/" + "a" * 500,
]


def foreign(ca: Ca, address: str) -> str:
    return address.replace("{port}", ca.base.rpartition(":")[2])


# The directory


def test_the_directory_is_read_once(ca: Ca, transport: Transport) -> None:
    directory = transport.directory()
    assert transport.directory() is directory
    assert len(ca.requests("/directory")) == 1
    assert directory.new_order == f"{ca.base}/new-order"
    assert directory.terms_of_service == "https://ca.example/terms"
    assert not directory.external_account_required
    assert ca.seen[0].headers["User-Agent"] == USER_AGENT


def test_the_directory_is_read_anew_after_an_hour(
    ca: Ca, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DIRECTORY_LIFETIME == 3600
    transport.directory()
    monkeypatch.setattr("certificates.authority.transport.DIRECTORY_LIFETIME", 0)
    ca.answers["/directory"] = Reply(ca.directory(newOrder=f"{ca.base}/moved"))
    assert transport.directory().new_order == f"{ca.base}/moved"


def test_a_directory_without_meta_is_one_as_well(ca: Ca) -> None:
    ca.answers["/directory"] = Reply(ca.directory(meta=None))
    directory = fetch_directory(ca.url, ca.bundle)
    assert (directory.terms_of_service, directory.external_account_required) == ("", False)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https:///x",
        "https://[",
        "https://ca.example/a b",
        "https://ca.example/\u202e",
        "https://ca.example/\ud800",
        "https://ca.example/" + "a" * 500,
        "",
        5,
        None,
    ],
)
def test_terms_that_are_no_web_link_are_left_out(ca: Ca, link: object) -> None:
    ca.answers["/directory"] = Reply(ca.directory(meta={"termsOfService": link}))
    assert fetch_directory(ca.url, ca.bundle).terms_of_service == ""


def test_profiles_and_renewal_information_are_read(ca: Ca) -> None:
    assert fetch_directory(ca.url, ca.bundle).renewal_info == ""
    assert fetch_directory(ca.url, ca.bundle).profiles == {}
    meta = {"profiles": {"classic": "The default.", "tls-server_2": "x" * 600}}
    ca.answers["/directory"] = Reply(ca.directory(meta=meta, renewalInfo=f"{ca.base}/renewal"))
    directory = fetch_directory(ca.url, ca.bundle)
    assert directory.renewal_info == f"{ca.base}/renewal"
    assert directory.profiles == {"classic": "The default.", "tls-server_2": "x" * 500}


@pytest.mark.parametrize(
    "profiles",
    [
        5,
        None,
        ["classic"],
        "classic",
        {"": "x", "a b": "x", "<b>": "x", "x" * 65: "x", "é": "x", "a\n": "x"},
        {"classic": 5, "short": None, "long": ["x"]},
    ],
)
def test_what_is_no_profile_is_left_out(ca: Ca, profiles: object) -> None:
    ca.answers["/directory"] = Reply(ca.directory(meta={"profiles": profiles}))
    assert fetch_directory(ca.url, ca.bundle).profiles == {}


def test_twenty_profiles_are_enough_and_their_texts_are_legible(ca: Ca) -> None:
    meta = {"profiles": {f"p{number}": "a\x1b\ud800\0b" for number in range(1000)}}
    ca.answers["/directory"] = Reply(ca.directory(meta=meta))
    profiles = fetch_directory(ca.url, ca.bundle).profiles
    assert list(profiles) == [f"p{number}" for number in range(20)]
    assert profiles["p0"] == "a\ufffd\ufffd\ufffdb"


@pytest.mark.parametrize("address", [*FOREIGN, 5, None])
def test_renewal_information_elsewhere_is_taken_for_none(ca: Ca, address: object) -> None:
    url = foreign(ca, address) if isinstance(address, str) else address
    ca.answers["/directory"] = Reply(ca.directory(renewalInfo=url))
    assert fetch_directory(ca.url, ca.bundle).renewal_info == ""


def test_the_names_of_the_ca_in_caa_records_are_read_and_nothing_else(ca: Ca) -> None:
    assert fetch_directory(ca.url, ca.bundle).caa_identities == ()
    said = ["CA.example.", "ca.example/x", 5, None, "a" * 300, "issuer", *["more.example"] * 50]
    ca.answers["/directory"] = Reply(ca.directory(meta={"caaIdentities": said}))
    found = fetch_directory(ca.url, ca.bundle).caa_identities
    assert found[:3] == ("ca.example", "issuer", "more.example")
    assert len(found) == 10


@pytest.mark.parametrize("meta", [5, "x", [], {"termsOfService": {}, "profiles": 5}])
def test_a_directory_whose_meta_is_nonsense_is_one_as_well(ca: Ca, meta: object) -> None:
    ca.answers["/directory"] = Reply(ca.directory(meta=meta))
    assert fetch_directory(ca.url, ca.bundle).terms_of_service == ""


@pytest.mark.parametrize("field", ["newNonce", "newAccount", "newOrder"])
@pytest.mark.parametrize("address", FOREIGN)
def test_a_directory_that_leads_elsewhere_is_not_believed(ca: Ca, field: str, address: str) -> None:
    ca.answers["/directory"] = Reply(ca.directory(**{field: foreign(ca, address)}))
    with pytest.raises(InvalidAnswerError):
        fetch_directory(ca.url, ca.bundle)
    assert len(ca.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"5",
        b'"x"',
        b"{}",
        b'{"newNonce": null}',
        b'{"newNonce": {}, "newAccount": [], "newOrder": 5}',
        b'{"meta": []}',
        b"[" * 100_000,
        b'{"meta":' * 50_000,
    ],
)
def test_what_is_no_directory_is_not_taken_for_one(ca: Ca, body: bytes) -> None:
    ca.answers["/directory"] = Reply(body)
    with pytest.raises(InvalidAnswerError):
        fetch_directory(ca.url, ca.bundle)


def test_a_directory_on_another_host_is_not_asked(ca: Ca, transport: Transport) -> None:
    for address in FOREIGN:
        with pytest.raises(InvalidAnswerError):
            transport.send("GET", foreign(ca, address))
    assert ca.seen == []


# The way there


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        fetch_directory(f"https://127.0.0.1:{free_port()}/directory", None)


def test_a_server_with_a_certificate_of_somebody_else_is_not_believed(
    ca: Ca, tmp_path: Path
) -> None:
    for bundle in (None, HttpsAuthority(tmp_path).bundle):
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch_directory(ca.url, bundle)
    assert ca.seen == []


def test_an_answer_that_breaks_off_is_no_answer(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = Reply(b"{}", promised=1000)
    with pytest.raises(UnreachableError):
        transport.send("GET", f"{ca.base}/x")


def test_a_mebibyte_is_read_and_more_is_not(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = Reply(b" " * MAX_BODY)
    assert len(transport.send("GET", f"{ca.base}/x").body) == MAX_BODY
    ca.answers["/x"] = Reply(b" " * (MAX_BODY + 1))
    with pytest.raises(InvalidAnswerError, match="larger than 1 MiB"):
        transport.send("GET", f"{ca.base}/x")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "gzip, identity", "x"])
def test_a_compressed_answer_is_not_unpacked_and_none_is_asked_for(
    ca: Ca, transport: Transport, encoding: str
) -> None:
    ca.answers["/x"] = Reply(gzip.compress(b"{}"), headers={"Content-Encoding": encoding})
    with pytest.raises(InvalidAnswerError, match="compressed"):
        transport.send("GET", f"{ca.base}/x")
    assert ca.seen[0].headers["Accept-Encoding"] == "identity"


def test_an_error_too_large_to_read_is_not_read(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = Reply(b"x" * (MAX_BODY + 1), 500)
    with pytest.raises(InvalidAnswerError):
        transport.send("GET", f"{ca.base}/x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(ca: Ca, transport: Transport, status: int) -> None:
    ca.answers["/x"] = Reply(b"", status, {"Location": f"{ca.base}/directory"})
    with pytest.raises(InvalidAnswerError, match="redirects"):
        transport.send("POST", f"{ca.base}/x", "{}")
    assert len(ca.seen) == 1


def test_the_connection_is_kept(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = refusal("malformed")
    for _ in range(3):
        transport.send("GET", ca.url)
        with pytest.raises(AcmeError):
            transport.send("GET", f"{ca.base}/x")
    assert ca.connections == 1


def test_a_ca_bundle_that_is_not_there_is_told(ca: Ca, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"gone\.pem"):
        fetch_directory(ca.url, tmp_path / "gone.pem")


def test_cookies_are_not_kept(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = Reply(headers={"Set-Cookie": "a=b; Path=/"})
    transport.send("GET", f"{ca.base}/x")
    transport.send("GET", f"{ca.base}/x")
    assert "Cookie" not in ca.seen[-1].headers


# Nonces


def test_a_nonce_is_used_once_and_every_answer_brings_one(ca: Ca, transport: Transport) -> None:
    transport.directory()
    transport.send("GET", ca.url)
    nonces = [transport.nonce() for _ in range(2)]
    assert ca.requests("/new-nonce") == []
    nonces += [transport.nonce() for _ in range(2)]
    assert len(set(nonces)) == 4
    assert [seen.method for seen in ca.requests("/new-nonce")] == ["HEAD", "HEAD"]


def test_an_error_brings_a_nonce_too(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = refusal("malformed")
    with pytest.raises(AcmeError):
        transport.send("GET", f"{ca.base}/x")
    transport.nonce()
    assert ca.requests("/new-nonce") == []


def test_nonces_that_nobody_uses_do_not_pile_up(ca: Ca, transport: Transport) -> None:
    for _ in range(MOST_NONCES + 20):
        transport.send("GET", ca.url)
    for _ in range(MOST_NONCES):
        transport.nonce()
    assert ca.requests("/new-nonce") == []
    transport.nonce()
    assert len(ca.requests("/new-nonce")) == 1


@pytest.mark.parametrize("nonce", ["a", "not base64!"])
def test_a_damaged_nonce_is_not_used(ca: Ca, transport: Transport, nonce: str) -> None:
    broken = Reply(ca.directory(), headers={"Replay-Nonce": nonce})
    ca.answers["/directory"] = ca.answers["/new-nonce"] = broken
    with pytest.raises(InvalidAnswerError, match="no nonce"):
        transport.nonce()


def test_a_ca_without_nonces_cannot_be_asked(ca: Ca, transport: Transport) -> None:
    ca.answers["/directory"] = Reply(ca.directory(), nonce=False)
    ca.answers["/new-nonce"] = Reply(b"", nonce=False)
    with pytest.raises(InvalidAnswerError, match="no nonce"):
        transport.nonce()


# Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("-1", None), ("soon", None), ("999999", 86400), (None, None)],
)
def test_retry_after_is_read_from_answers_and_from_errors(
    ca: Ca, transport: Transport, header: str | None, seconds: int | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    ca.answers["/x"] = Reply(headers=headers)
    ca.answers["/y"] = Reply(refusal("rateLimited").body, 429, headers)
    moments = [transport.send("GET", f"{ca.base}/x").retry_after]
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/y")
    moments.append(caught.value.problem.retry_after)
    now = datetime.datetime.now(datetime.UTC)
    for moment in moments:
        if seconds is None:
            assert moment is None
        else:
            assert moment is not None
            assert abs((moment - now).total_seconds() - seconds) < 2


@pytest.mark.usefixtures("machine_zone")
def test_a_date_in_retry_after_means_the_same_everywhere(ca: Ca, transport: Transport) -> None:
    now = datetime.datetime.now(datetime.UTC)
    date = (now + datetime.timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    ca.answers["/x"] = Reply(headers={"Retry-After": date})
    moment = transport.send("GET", f"{ca.base}/x").retry_after
    assert moment is not None
    assert 55 < (moment - now).total_seconds() <= 60


# Refusals


def test_a_problem_document_is_read_whole(ca: Ca, transport: Transport) -> None:
    ca.answers["/x"] = refusal(
        "rejectedIdentifier",
        403,
        identifier={"type": "dns", "value": "mx.example.org"},
        subproblems=[
            {
                "type": "urn:ietf:params:acme:error:caa",
                "detail": "forbidden",
                "identifier": {"type": "dns", "value": "a.example.org"},
            }
        ],
    )
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/x")
    problem = caught.value.problem
    assert (problem.type, problem.detail, problem.status, problem.identifier) == (
        "rejectedIdentifier",
        "said the CA",
        403,
        "mx.example.org",
    )
    (sub,) = problem.subproblems
    assert (sub.type, sub.detail, sub.identifier) == ("caa", "forbidden", "a.example.org")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"null",
        b"5",
        b"[]",
        b'["x"]',
        b"\xff\xfe\x00",
        b'{"type": 5, "detail": [1]}',
        b'{"subproblems": 5}',
        b'{"subproblems": [5]}',
        b'{"identifier": 5}',
        b'{"identifier": {"type": "dns"}}',
        b"[" * 100_000,
    ],
)
def test_a_refusal_that_is_no_problem_document_is_a_refusal(
    ca: Ca, transport: Transport, body: bytes
) -> None:
    ca.answers["/x"] = Reply(body, 502)
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/x")
    assert caught.value.problem.status == 502
    assert len(caught.value.problem.detail) < 1000


def test_what_a_ca_says_at_length_is_cut(ca: Ca, transport: Transport) -> None:
    sub = {"type": "x" * 500, "detail": "y" * 9000}
    ca.answers["/x"] = refusal("z" * 500, detail="d" * 9000, subproblems=[sub] * 50)
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/x")
    problem = caught.value.problem
    assert (len(problem.type), len(problem.detail)) == (64, 4000)
    assert len(problem.subproblems[0].detail) == 4000


def test_what_a_ca_says_is_made_legible(ca: Ca, transport: Transport) -> None:
    said = "a\x1b[31m\ud800\0\u202eb"
    named = {"type": "dns", "value": said}
    ca.answers["/x"] = refusal(
        "x\x1b", detail=said, identifier=named, subproblems=[{"detail": said}]
    )
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/x")
    problem = caught.value.problem
    for text in (problem.detail, problem.identifier, problem.subproblems[0].detail):
        assert text == "a\ufffd[31m\ufffd\ufffd\ufffdb"
    assert problem.type == "x\ufffd"


def test_problems_within_the_parts_of_a_problem_are_left_out(ca: Ca, transport: Transport) -> None:
    inner: dict[str, object] = {"detail": "inner"}
    for _ in range(50):
        inner = {"detail": "outer", "subproblems": [inner]}
    ca.answers["/x"] = refusal("compound", subproblems=[inner])
    with pytest.raises(AcmeError) as caught:
        transport.send("GET", f"{ca.base}/x")
    assert caught.value.problem.subproblems[0].subproblems == ()
