from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.acme_document import LONGEST_QUOTE, CaProblem, kebab, quote
from certificates.policy.acme_meanings import MEANINGS
from certificates.policy.acme_problems import (
    explain,
    invalid_answer,
    unreachable,
    unusable_certificate,
)
from certificates.policy.acme_words import Values
from certificates.policy.refusal import (
    Scope,
    is_passing,
    mentions_replaces,
    retry_moment,
    scope_of,
    subject_of,
)
from challenges.problems import Problem, Severity

LAN = Values("mx.example.org", 8080, behind_nat=True)
PUBLIC = Values("mx.example.org", 80, behind_nat=False)

# RFC 8555 §6.7, RFC 9773 §7.4 and draft-aaron-acme-profiles §6
TYPES = {
    "accountDoesNotExist",
    "alreadyReplaced",
    "alreadyRevoked",
    "badCSR",
    "badNonce",
    "badPublicKey",
    "badRevocationReason",
    "badSignatureAlgorithm",
    "caa",
    "compound",
    "connection",
    "dns",
    "externalAccountRequired",
    "incorrectResponse",
    "invalidContact",
    "invalidProfile",
    "malformed",
    "orderNotReady",
    "rateLimited",
    "rejectedIdentifier",
    "serverInternal",
    "tls",
    "unauthorized",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
}
NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
RETRY = ", retry after 2026-11-24 10:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/#x"
HOSTILE = "<script>alert(1)</script> {ca} {0} %s https://evil.example/ \x1b[31m"
LEGIBLE = HOSTILE.replace("\x1b", "\ufffd")


def words(problem: Problem) -> str:
    return " ".join([problem.explanation, *problem.remedy])


def is_sentence(text: str) -> bool:
    return (text[0].isupper() or text[0].isdigit()) and text.endswith((".", ")."))


@pytest.mark.parametrize("values", [LAN, PUBLIC], ids=["behind NAT", "public"])
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_error_of_the_rfcs_has_its_own_sentence(kind: str, values: Values) -> None:
    problem = explain(CaProblem(kind, "said the CA", 403), values)
    assert "that this version does not know" not in problem.explanation
    assert is_sentence(problem.explanation)
    assert all(is_sentence(step) for step in problem.remedy)
    assert not {"{", "}"} & set(words(problem))
    assert problem.severity is Severity.ERROR
    assert problem.code == f"acme-{kebab(kind)}"


@pytest.mark.parametrize("kind", ["brandNew", "", "{ca}", "urn:x", "é"])
def test_an_unknown_error_is_a_problem_as_well(kind: str) -> None:
    problem = explain(CaProblem(kind, "said the CA", 400), LAN)
    assert "does not know" in problem.explanation
    assert "said the CA" in problem.detail
    assert problem.retryable


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_unknown_error_of_a_broken_server_is_the_servers(status: int) -> None:
    problem = explain(CaProblem("", "HTTP status 503: <html>", status), LAN)
    assert "internal problem" in problem.explanation
    assert problem.retryable


@pytest.mark.parametrize("kind", [*sorted(TYPES), "brandNew"])
def test_what_the_ca_says_stands_in_the_detail_alone(kind: str) -> None:
    sub = CaProblem("dns", HOSTILE, identifier=HOSTILE)
    problem = explain(CaProblem(kind, HOSTILE, 403, HOSTILE, (sub,)), LAN)
    assert "script" not in words(problem)
    assert "evil.example" not in words(problem)
    assert LEGIBLE in problem.detail


@given(st.text(), st.text(), st.text())
def test_no_text_of_the_ca_gets_into_the_sentences(kind: str, detail: str, name: str) -> None:
    problem = explain(CaProblem(kind, detail, 403, name), LAN)
    assert all(character.isprintable() for character in words(problem) + problem.code)
    assert "{" not in words(problem)
    assert len(words(problem)) < 2000


def test_the_name_that_failed_is_named() -> None:
    problem = explain(CaProblem("dns", "", 400, "smtp.example.org"), LAN)
    assert problem.explanation.endswith("no usable address for smtp.example.org in the public DNS.")


def test_a_name_in_a_part_of_the_error_is_named() -> None:
    part = CaProblem("rejectedIdentifier", "policy", identifier="smtp.example.org")
    problem = explain(CaProblem("rejectedIdentifier", "policy", 400, subproblems=(part,)), LAN)
    assert "smtp.example.org" in problem.explanation


def test_without_a_name_it_is_about_the_gateways_hostname() -> None:
    assert "mx.example.org" in explain(CaProblem("dns", "", 400), LAN).explanation


def test_a_compound_error_is_explained_by_its_first_part() -> None:
    parts = (
        CaProblem("caa", "forbidden", identifier="a.example.org"),
        CaProblem("dns", "nothing", identifier="b.example.org"),
    )
    problem = explain(CaProblem("compound", "several", 403, subproblems=parts), LAN)
    assert problem.code == "acme-caa"
    assert "a.example.org" in problem.explanation
    assert problem.detail == (
        "compound: several\na.example.org: caa: forbidden\nb.example.org: dns: nothing"
    )


@pytest.mark.parametrize(
    ("values", "step"),
    [
        (LAN, "On the router, forward TCP port 80 of its public address to this machine, port 80"),
        (PUBLIC, "In the firewall, allow TCP port 80 of this machine"),
        (Values("mx.example.org", 8080, behind_nat=False), "set the challenge port to 80"),
    ],
)
def test_the_way_to_the_port_is_that_of_this_network(values: Values, step: str) -> None:
    problem = explain(CaProblem("connection", "refused", 400), values)
    assert step in problem.remedy[0]
    assert str(values.challenge_port) in problem.remedy[0]


def test_another_ca_is_called_by_its_name() -> None:
    values = Values("mx.example.org", 80, behind_nat=False, ca_name="Example CA")
    assert explain(CaProblem("dns", "", 400), values).explanation.startswith("Example CA ")


@pytest.mark.parametrize(
    ("problem", "passing"),
    [
        (CaProblem("serverInternal", "", 500), True),
        (CaProblem("", "", 502), True),
        (CaProblem("badNonce", "", 400), True),
        (CaProblem("orderNotReady", "", 403), True),
        (CaProblem("accountDoesNotExist", "", 400), False),
        (CaProblem("rateLimited", "", 429), False),
        (CaProblem("unauthorized", "", 403), False),
        (CaProblem("malformed", "", 400), False),
        (CaProblem("", "", 404), False),
    ],
)
def test_only_the_cas_own_trouble_passes_by_itself(problem: CaProblem, passing: bool) -> None:
    assert is_passing(problem) == passing


def test_the_moment_to_try_again_is_in_the_detail() -> None:
    moment = datetime.datetime(2026, 11, 24, 5, 6, 7, tzinfo=datetime.UTC)
    assert quote(CaProblem("rateLimited", "too many", 429, retry_after=moment)) == (
        "rateLimited: too many\nTry again after 2026-11-24 05:06:07 UTC."
    )


@pytest.mark.parametrize(
    ("camel", "expected"),
    [
        ("rateLimited", "rate-limited"),
        ("badCSR", "bad-csr"),
        ("dns", "dns"),
        ("", ""),
        ("a b/c<d>", "abcd"),
        ("Ünï", "n"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_type_becomes_a_code(camel: str, expected: str) -> None:
    assert kebab(camel) == expected


def test_a_ca_that_cannot_be_asked_is_named_and_may_be_asked_again() -> None:
    problem = unreachable(HOSTILE, "https://ca.example/dir")
    assert "https://ca.example/dir" in problem.explanation
    assert problem.detail == LEGIBLE
    assert problem.retryable


def test_an_answer_that_is_not_acme_is_only_quoted() -> None:
    problem = invalid_answer(HOSTILE)
    assert "script" not in words(problem)
    assert problem.detail == LEGIBLE


# Whether automatic retries go on

PERMANENT = {
    "badCSR",
    "badPublicKey",
    "badSignatureAlgorithm",
    "caa",
    "externalAccountRequired",
    "invalidContact",
    "invalidProfile",
    "malformed",
    "rejectedIdentifier",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
}


@pytest.mark.parametrize("kind", sorted({*TYPES, *MEANINGS}))
def test_only_what_stays_wrong_until_somebody_edits_something_ends_the_retries(kind: str) -> None:
    assert explain(CaProblem(kind, "", 400), LAN).retryable == (kind not in PERMANENT)


@pytest.mark.parametrize(
    ("parts", "retryable"),
    [
        (("caa", "dns"), False),
        (("dns", "caa"), True),
        (("rejectedIdentifier",), False),
        ((), True),
    ],
)
def test_a_compound_error_is_as_permanent_as_its_first_part(
    parts: tuple[str, ...], retryable: bool
) -> None:
    subproblems = tuple(CaProblem(kind) for kind in parts)
    problem = explain(CaProblem("compound", "several", 403, subproblems=subproblems), LAN)
    assert problem.retryable == retryable


# Pauses that only a person can end

UNPAUSE = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=eyJhbGciOiJIUzI1NiJ9.eyJpIjoi.a_-b"
PREVENTED = (
    "Your account is temporarily prevented from requesting certificates for {} and possibly "
    "others. Please visit: {}"
)


def paused(names: str = "smtp.example.org", link: str = UNPAUSE) -> CaProblem:
    return CaProblem("rateLimited", PREVENTED.format(names, link), 429)


@pytest.mark.parametrize(("kind", "status"), [("rateLimited", 429), ("rateLimited", 0), ("", 429)])
def test_a_pause_is_told_with_its_link(kind: str, status: int) -> None:
    problem = explain(dataclasses.replace(paused(), type=kind, status=status), LAN)
    assert problem.code == "acme-paused"
    assert not problem.retryable
    assert "smtp.example.org" in problem.explanation
    assert f"Open {UNPAUSE} in a browser, and end the pause there." in problem.remedy
    assert UNPAUSE in problem.detail
    assert all(is_sentence(step) for step in problem.remedy)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unauthorized", "acme-wrong-content"),
        ("incorrectResponse", "acme-wrong-content"),
        ("connection", "acme-connection"),
        ("dns", "acme-dns"),
    ],
)
def test_a_web_page_that_the_ca_quotes_decides_nothing(kind: str, code: str) -> None:
    said = f'Invalid response from http://mx.example.org/: "{paused().detail} retry after {RETRY}"'
    problem = CaProblem(kind, said, 403, "mx.example.org")
    explained = explain(problem, LAN)
    assert explained.code == code
    assert explained.retryable
    assert "://" not in words(explained)
    assert "smtp.example.org" not in words(explained)
    assert (scope_of(problem), subject_of(problem)) == (Scope.IDENTIFIER_SET, "")
    assert retry_moment(problem, NOW) is None


@pytest.mark.parametrize("end", ["", ".", ") or wait", '" now', "> x", " and more"])
def test_what_stands_around_the_link_does_not_belong_to_it(end: str) -> None:
    assert f"Open {UNPAUSE} in" in words(explain(paused(link=UNPAUSE + end), LAN))


def test_a_link_for_many_names_is_whole() -> None:
    link = f"https://ca.example/unpause?jwt={'x' * 1900}"
    assert f"Open {link} in" in words(explain(paused(link=link), LAN))


@pytest.mark.parametrize(
    "link",
    [
        "",
        "http://ca.example/unpause",
        "javascript:alert(1)",
        "https:///unpause",
        "https://<b>.example/unpause",
        "//ca.example/unpause",
    ],
)
def test_without_a_proper_link_the_detail_has_to_do(link: str) -> None:
    problem = explain(paused(link=link), LAN)
    assert "Follow the CA's instructions in the technical detail." in problem.remedy
    assert "://" not in words(problem)


# What a refusal concerns

BUSY = CaProblem("rateLimited", "Service busy; retry later.", 503)


def limited(detail: str, status: int = 429) -> CaProblem:
    return CaProblem("rateLimited", detail, status)


@pytest.mark.parametrize(
    ("problem", "scope", "subject"),
    [
        (
            limited(f"too many new orders (300) from this account in the last 3h0m0s{RETRY}"),
            Scope.ACCOUNT,
            "",
        ),
        (
            limited(
                "too many certificates (5) already issued for this exact set of identifiers in the "
                f"last 168h0m0s{RETRY}"
            ),
            Scope.IDENTIFIER_SET,
            "",
        ),
        (
            limited(
                "too many certificates (5) already issued for this exact set of domains in the "
                "last 168 hours: mx.example.org,smtp.example.org"
            ),
            Scope.IDENTIFIER_SET,
            "",
        ),
        (
            limited(
                'too many certificates (50) already issued for "Example.com" in the last '
                f"168h0m0s{RETRY}"
            ),
            Scope.REGISTERED_DOMAIN,
            "example.com",
        ),
        (
            limited(
                "Error creating new order :: too many certificates already issued for: "
                "example.com: see https://letsencrypt.org/docs/rate-limits/"
            ),
            Scope.REGISTERED_DOMAIN,
            "example.com",
        ),
        (
            limited(
                'too many certificates (50) already issued for "2001:db8::/64" in the last '
                f"168h0m0s{RETRY}"
            ),
            Scope.IDENTIFIER_SET,
            "",
        ),
        (
            limited(
                'too many failed authorizations (5) for "mx.example.com" in the last 1h0m0s' + RETRY
            ),
            Scope.IDENTIFIER,
            "mx.example.com",
        ),
        (
            limited("too many failed authorizations recently: see https://letsencrypt.org/docs/"),
            Scope.IDENTIFIER_SET,
            "",
        ),
        (
            limited(
                f"too many new registrations (10) from this IP address in the last 3h0m0s{RETRY}"
            ),
            Scope.ACCOUNT,
            "",
        ),
        (
            limited(
                "too many new registrations (500) from this /48 subnet of IPv6 addresses in the "
                f"last 3h0m0s{RETRY}"
            ),
            Scope.ACCOUNT,
            "",
        ),
        (limited("too many currently pending authorizations"), Scope.ACCOUNT, ""),
        (paused("smtp.example.org"), Scope.IDENTIFIER, "smtp.example.org"),
        (paused("a.example.org, b.example.org"), Scope.IDENTIFIER, "a.example.org"),
        (BUSY, Scope.CA, ""),
        (limited("Service busy; retry later."), Scope.CA, ""),
        (CaProblem("serverInternal", "The service is down for maintenance", 503), Scope.CA, ""),
        (CaProblem("", "HTTP status 503: <html>", 503), Scope.CA, ""),
        (CaProblem("", "HTTP status 502: <html>", 502), Scope.CA, ""),
        (CaProblem("badNonce", "", 400), Scope.CA, ""),
        (limited("slow down"), Scope.IDENTIFIER_SET, ""),
        (CaProblem("", "HTTP status 429: <html>", 429), Scope.IDENTIFIER_SET, ""),
        (limited('too many certificates already issued for "<script>"'), Scope.IDENTIFIER_SET, ""),
        (CaProblem("malformed", "no", 400), Scope.IDENTIFIER_SET, ""),
    ],
)
def test_a_limit_pauses_what_it_is_about_and_nothing_else(
    problem: CaProblem, scope: Scope, subject: str
) -> None:
    assert (scope_of(problem), subject_of(problem)) == (scope, subject)
    inside = CaProblem("compound", "several", problem.status, subproblems=(problem,))
    assert (scope_of(inside), subject_of(inside)) == (scope, subject)


@given(st.text() | st.sampled_from(["a", "b"]), st.text(), st.sampled_from([0, 400, 429, 503]))
def test_whatever_a_ca_says_concerns_something(kind: str, detail: str, status: int) -> None:
    problem = CaProblem(kind, detail, status)
    subject = subject_of(problem)
    assert subject == subject.lower()
    if scope_of(problem) in {Scope.IDENTIFIER, Scope.REGISTERED_DOMAIN}:
        assert subject


# When it may be asked again


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("x, retry after 2026-11-24 10:00:00 UTC: see https://", NOW + 22 * DAY / 24),
        ("x, retry after 2026-11-23T12:00:05Z: see https://", NOW + DAY / 86400 * 5),
        ("x, RETRY AFTER 2026-11-23 18:00:00", NOW + DAY / 4),
        ("x, retry after 2026-12-24 10:00:00 UTC", NOW + DAY),
        ("x, retry after 9999-12-31 23:59:59 UTC", NOW + DAY),
        ("x, retry after 2026-11-22 10:00:00 UTC", NOW),
        ("x, retry after 0001-01-01 00:00:00 UTC", NOW),
        ("x, retry after 2026-13-45 10:00:00 UTC", None),
        ("x, retry after 2026-11-24 25:00:00 UTC", None),
        ("x, retry after 2026-11-24T10:00:00+05:00", None),
        ("x, retry after 10m0s", None),
        ("retry later", None),
        ("", None),
    ],
)
def test_the_moment_is_read_out_of_the_text(
    detail: str, expected: datetime.datetime | None
) -> None:
    assert retry_moment(limited(detail), NOW) == expected


def test_the_header_counts_more_than_the_text() -> None:
    later = dataclasses.replace(
        limited("retry after 2026-11-23 13:00:00 UTC"), retry_after=NOW + DAY / 2
    )
    assert retry_moment(later, NOW) == NOW + DAY / 2
    assert retry_moment(later, NOW + DAY) == NOW + DAY
    assert retry_moment(later, NOW - 5 * DAY) == NOW - 4 * DAY


@given(
    st.text() | st.from_regex(r"retry after [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
)
def test_no_text_leads_to_a_moment_beyond_a_day(detail: str) -> None:
    moment = retry_moment(limited(detail), NOW)
    assert moment is None or NOW <= moment <= NOW + DAY


# Orders that say what they replace

SAID = "Could not validate ARI 'replaces' field :: "


@pytest.mark.parametrize(
    ("problem", "mentions"),
    [
        (
            CaProblem(
                "alreadyReplaced",
                f'{SAID}cannot indicate an order replaces certificate with serial "04", which '
                "already has a replacement order",
                409,
            ),
            True,
        ),
        (CaProblem("alreadyReplaced", "", 409), True),
        (CaProblem("conflict", "the certificate has been replaced already", 409), True),
        (CaProblem("malformed", f"{SAID}while parsing ARI CertID an error occurred", 400), True),
        (
            CaProblem(
                "unauthorized",
                f"{SAID}requester account did not request the certificate being replaced by this "
                "order",
                403,
            ),
            True,
        ),
        (CaProblem("serverInternal", SAID, 500), True),
        (CaProblem("compound", "", 400, subproblems=(CaProblem("malformed", SAID),)), True),
        (CaProblem("malformed", "Invalid identifiers requested", 400), False),
        (CaProblem("conflict", "", 409), False),
        (limited("slow down"), False),
    ],
)
def test_an_order_refused_for_what_it_replaces_is_recognised(
    problem: CaProblem, mentions: bool
) -> None:
    assert mentions_replaces(problem) == mentions


# The certificate in the answer


def test_an_unusable_certificate_is_the_cas_fault_and_may_be_ordered_again() -> None:
    reason = Problem(
        "names-do-not-match",
        Severity.ERROR,
        "The certificate is for a.example; it does not cover b.example.",
        detail="x",
    )
    problem = unusable_certificate(reason)
    assert problem.code == "ca-certificate-unusable"
    assert problem.explanation == (
        "The CA issued a certificate that cannot be used: the certificate is for a.example; "
        "it does not cover b.example."
    )
    assert problem.detail == "names-do-not-match: x"
    assert problem.retryable
    assert problem.severity is Severity.ERROR


# Hostile texts


@given(st.text(), st.text())
def test_no_text_of_a_certificate_breaks_a_line(explanation: str, detail: str) -> None:
    problem = unusable_certificate(Problem("x", Severity.ERROR, explanation, detail=detail))
    assert all(character.isprintable() for character in problem.explanation)
    assert len(problem.explanation) < 1200


@given(st.text(), st.text(), st.sampled_from([0, 400, 403, 409, 429, 500, 503]))
def test_every_problem_can_be_stored_and_printed(kind: str, detail: str, status: int) -> None:
    said = f"{PREVENTED.format(detail, detail)} {detail}"
    for problem in (
        explain(CaProblem(kind, said, status), LAN),
        explain(CaProblem(kind, detail, status), LAN),
        unreachable(detail, "https://ca.example/dir"),
        invalid_answer(detail),
    ):
        text = words(problem) + problem.detail + problem.code
        assert text.encode()
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "\n" not in words(problem)


def test_a_ca_that_talks_at_length_is_cut() -> None:
    parts = tuple(CaProblem("dns", "y" * 4000) for _ in range(100))
    assert len(quote(CaProblem("compound", "x" * 4000, subproblems=parts))) == LONGEST_QUOTE
