"""What CAA records mean for us: a table, and what must hold whatever the records say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.preflight.caa import FORBIDDING, GOOD, Relevant, Verdict, climb, judge, relevant
from challenges.preflight.resolving import Failure, Property, Reply

US = ("letsencrypt.org",)
OURS = ("https://ca.test/acct/1", "https://staging.test/acct/2")


def issue(value: str, *, flags: int = 0, tag: str = "issue") -> Property:
    return Property(flags, tag, value)


def bound(account: str) -> Property:
    return issue(f"letsencrypt.org; accounturi={account}")


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([], Verdict.UNRESTRICTED),
        ([issue("mailto:a@b.de", tag="iodef")], Verdict.UNRESTRICTED),
        ([issue(";", tag="issuewild")], Verdict.UNRESTRICTED),
        ([issue(";", tag="issuemail", flags=128)], Verdict.UNRESTRICTED),
        ([issue("x", tag="contactemail")], Verdict.UNRESTRICTED),
        ([issue("letsencrypt.org")], Verdict.ALLOWED),
        ([issue(" letsencrypt.org\t;")], Verdict.ALLOWED),
        ([issue("letsencrypt.org", tag="ISSUE")], Verdict.ALLOWED),
        ([issue("letsencrypt.org", flags=128)], Verdict.ALLOWED),
        ([issue("other.de"), issue("letsencrypt.org")], Verdict.ALLOWED),
        ([issue(";"), issue("letsencrypt.org")], Verdict.ALLOWED),
        ([issue("letsencrypt.org; unknown=1")], Verdict.ALLOWED),
        ([issue("letsencrypt.org; validationmethods=http-01")], Verdict.ALLOWED),
        ([issue("letsencrypt.org;validationmethods=dns-01,http-01")], Verdict.ALLOWED),
        ([issue(";")], Verdict.OTHERS_ONLY),
        ([issue("")], Verdict.OTHERS_ONLY),
        ([issue("other.de")], Verdict.OTHERS_ONLY),
        ([issue("evil.letsencrypt.org")], Verdict.OTHERS_ONLY),
        ([issue("other.de"), issue("letsencrypt.org", tag="issuewild")], Verdict.OTHERS_ONLY),
        ([issue("x", tag="tbs", flags=128)], Verdict.CRITICAL),
        ([issue("x", tag="tbs", flags=1), issue("letsencrypt.org")], Verdict.CRITICAL),
        ([issue("x", tag="tbs", flags=2), issue("letsencrypt.org")], Verdict.ALLOWED),
        ([issue("letsencrypt.org; nonsense")], Verdict.MALFORMED),
        ([issue("letsencrypt.org; ;")], Verdict.MALFORMED),
        ([issue("letsencrypt.org; a=b c")], Verdict.MALFORMED),
        ([issue("letsencrypt.org; a_b=c")], Verdict.MALFORMED),
        ([issue("letsencrypt.org, other.de")], Verdict.OTHERS_ONLY),
        ([issue("letsencrypt.org; validationmethods=dns-01")], Verdict.METHOD),
        ([issue("letsencrypt.org; validationmethods=")], Verdict.METHOD),
        (
            [issue("letsencrypt.org; validationmethods=http-01; validationmethods=http-01")],
            Verdict.METHOD,
        ),
        ([bound(OURS[0]), bound(OURS[1])], Verdict.ALLOWED),
        ([bound("https://x/9"), issue("letsencrypt.org")], Verdict.ALLOWED),
        ([bound(OURS[0])], Verdict.ACCOUNT_PARTLY),
        ([bound("https://ca.test/acct/9")], Verdict.ACCOUNT),
        ([bound(f"{OURS[0]};accounturi={OURS[0]}")], Verdict.ACCOUNT),
        ([issue("LetsEncrypt.org")], Verdict.SPELLING),
        ([issue("letsencrypt.org.")], Verdict.SPELLING),
        ([issue("letsencrypt.org; validationmethods=HTTP-01")], Verdict.SPELLING),
        ([issue("letsencrypt.org; ValidationMethods=dns-01")], Verdict.SPELLING),
        ([issue("letsencrypt.org; AccountURI=https://ca.test/acct/9")], Verdict.SPELLING),
    ],
)
def test_the_meaning_of_records(records: list[Property], verdict: Verdict) -> None:
    assert judge(records, US, OURS) is verdict


@pytest.mark.parametrize("account", OURS)
def test_without_known_accounts_a_bound_record_is_no_certainty(account: str) -> None:
    assert judge([bound(account)], US) is Verdict.ACCOUNT_UNKNOWN


def test_any_of_the_identities_of_a_ca_will_do() -> None:
    assert judge([issue("b.test")], ("a.test", "b.test")) is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("mx.shop.co.uk", ("mx.shop.co.uk", "shop.co.uk", "co.uk", "uk")),
        ("shop.de", ("shop.de", "de")),
    ],
)
def test_the_way_up_ends_at_the_top_level_domain(name: str, steps: tuple[str, ...]) -> None:
    assert climb(name) == steps


OTHER = Reply(properties=(issue("other.de"),))
NONE = Reply()
GONE = Reply(failure=Failure.NO_SUCH_NAME)
BROKEN = Reply(failure=Failure.BROKEN)


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ((NONE, NONE, NONE), Relevant()),
        ((GONE, NONE, GONE), Relevant()),
        ((NONE, OTHER, BROKEN), Relevant("shop.de", OTHER.properties)),
        ((GONE, OTHER, NONE), Relevant("shop.de", OTHER.properties)),
        ((OTHER, BROKEN, BROKEN), Relevant("mx.shop.de", OTHER.properties)),
        ((BROKEN, OTHER, OTHER), Relevant("mx.shop.de", failure=Failure.BROKEN)),
        ((NONE, NONE, BROKEN), Relevant("de", failure=Failure.BROKEN)),
    ],
)
def test_the_first_records_on_the_way_up_count(replies: tuple[Reply, ...], found: Relevant) -> None:
    assert relevant("mx.shop.de", dict(zip(climb("mx.shop.de"), replies, strict=True))) == found


_words = st.sampled_from(
    [
        *("letsencrypt.org", "LETSENCRYPT.ORG", "other.de", "", " ", ";", "=", "accounturi="),
        *(OURS[0], "validationmethods=", "http-01", "dns-01", ",", "x", "é", "\\255"),
    ]
)
_values = st.lists(_words, max_size=8).map("".join) | st.text(max_size=40)
_properties = st.builds(
    Property,
    st.integers(0, 255),
    st.sampled_from(["issue", "Issue", "issuewild", "iodef", "issuemail", "tbs", ""]),
    _values,
)
_record_sets = st.lists(_properties, max_size=5)


@given(_record_sets)
def test_every_record_set_has_one_meaning_in_any_order(records: list[Property]) -> None:
    verdict = judge(records, US, OURS)
    assert judge(records[::-1], US, OURS) is verdict


@given(_record_sets)
def test_a_record_that_names_only_us_is_always_a_remedy(records: list[Property]) -> None:
    """Which is what the advice to add one relies on."""
    if judge(records, US, OURS) is not Verdict.CRITICAL:
        assert judge([*records, issue("letsencrypt.org")], US, OURS) in GOOD


@given(_record_sets)
def test_records_that_are_not_about_us_change_nothing_for_the_better(
    records: list[Property],
) -> None:
    without = judge(records, US, OURS)
    more = judge([*records, issue("other.de")], US, OURS)
    if without in FORBIDDING:
        assert more in FORBIDDING
    elif without is not Verdict.UNRESTRICTED:
        assert more is without


@given(_values)
def test_knowing_our_accounts_never_turns_certainty_around(value: str) -> None:
    known, unknown = judge([issue(value)], US, OURS), judge([issue(value)], US)
    if unknown in FORBIDDING or unknown in GOOD:
        assert known is unknown
