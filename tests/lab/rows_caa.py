"""What CAA records allow and forbid (RFC 8659, RFC 8657)."""

from __future__ import annotations

from tests.lab.network import ROUTER
from tests.lab.rows import DOMAIN, NAME, During, Row, Stricter, error, suffering, warning, with_caa
from tests.parts.zones import Fault, Zone

_OURS = "https://acme-v02.api.letsencrypt.org/my-account/2"
_OURS_FOR_TESTS = "https://acme.kontor-ca.net/my-account/3"
_ANOTHERS = (
    '0 issue "letsencrypt.org; accounturi=https://acme-v02.api.letsencrypt.org/my-account/1"'
)


def _allowed(fault: str, zone: Zone) -> Row:
    return Row(fault, validates=True, public=zone, establishes=("caa-allows",))


def _forbidden(fault: str, zone: Zone, code: str, *remedy: str) -> Row:
    return Row(
        fault,
        validates=True,
        public=zone,
        finds=(error(code, *remedy),),
        blocks=Stricter.CAA,
        leaves_open=("caa-allows",),
    )


def _with_account(url: str, staging_url: str = "") -> During:
    return lambda lab: lab.gateway.with_account(url, staging_url)


ROWS = (
    _allowed("nothing: CAA allows Let's Encrypt", with_caa('0 issue "letsencrypt.org"')),
    _allowed(
        "nothing: CAA of the domain allows two CAs",
        with_caa('0 issue "digicert.com"', '0 issue "letsencrypt.org"', at_name=DOMAIN),
    ),
    _allowed(
        "nothing: CAA of the name allows what that of the domain forbids",
        Zone(
            {
                NAME: {"A": [ROUTER], "CAA": ['0 issue "letsencrypt.org"']},
                DOMAIN: {"CAA": ['0 issue "digicert.com"']},
            }
        ),
    ),
    _allowed(
        "nothing: CAA speaks of wildcards and reports alone",
        with_caa('0 issuewild ";"', '0 iodef "mailto:it@kontor-berg.de"'),
    ),
    _allowed(
        "nothing: CAA names the method that is used",
        with_caa('0 issue "letsencrypt.org; validationmethods=http-01,dns-01"'),
    ),
    Row(
        "nothing: CAA names this console's account",
        validates=True,
        public=with_caa(f'0 issue "letsencrypt.org; accounturi={_OURS}"'),
        during=_with_account(_OURS),
        establishes=("caa-allows",),
    ),
    _forbidden(
        "CAA names another CA",
        with_caa('0 issue "digicert.com"'),
        "caa-forbids",
        f"name {NAME}",
        "type CAA",
        '0 issue "letsencrypt.org"',
    ),
    _forbidden(
        "CAA of the domain names another CA",
        with_caa('0 issue "digicert.com"', at_name=DOMAIN),
        "caa-forbids",
        f"name {DOMAIN}",
        '0 issue "letsencrypt.org"',
    ),
    _forbidden(
        "CAA forbids every CA",
        with_caa('0 issue ";"'),
        "caa-forbids",
        '0 issue "letsencrypt.org"',
    ),
    _forbidden(
        "CAA at the target of an alias names another CA",
        Zone(
            {
                NAME: {"CNAME": ["gw.anderswo.de"]},
                "gw.anderswo.de": {"A": [ROUTER], "CAA": ['0 issue "digicert.com"']},
            }
        ),
        "caa-forbids",
        '0 issue "letsencrypt.org"',
    ),
    _forbidden(
        "CAA has a critical property that nobody knows",
        with_caa('0 issue "letsencrypt.org"', '128 tbs "unknown"'),
        "caa-critical",
        NAME,
        "number is not 0",
    ),
    _forbidden(
        "CAA allows other validation methods alone",
        with_caa('0 issue "letsencrypt.org; validationmethods=dns-01"'),
        "caa-method",
        "validationmethods=http-01",
    ),
    Row(
        "CAA allows another account alone",
        validates=True,
        public=with_caa(_ANOTHERS),
        during=_with_account(_OURS),
        finds=(error("caa-account", f"accounturi={_OURS}"),),
        blocks=Stricter.CAA,
        leaves_open=("caa-allows",),
    ),
    Row(
        "CAA allows one account alone, and this console has none yet",
        validates=True,
        public=with_caa(_ANOTHERS),
        finds=(warning("caa-account-unknown", '0 issue "letsencrypt.org"', "accounturi"),),
        leaves_open=("caa-allows",),
    ),
    Row(
        "CAA allows one of this console's two accounts alone",
        validates=True,
        public=with_caa(f'0 issue "letsencrypt.org; accounturi={_OURS}"'),
        during=_with_account(_OURS, _OURS_FOR_TESTS),
        finds=(
            warning("caa-account-partly", f"accounturi={_OURS}", f"accounturi={_OURS_FOR_TESTS}"),
        ),
        leaves_open=("caa-allows",),
    ),
    _forbidden(
        "CAA names Let's Encrypt, and what follows is malformed",
        with_caa('0 issue "letsencrypt.org; by http"'),
        "caa-malformed",
        f"name {NAME}",
        '0 issue "letsencrypt.org"',
        "Delete the malformed record",
    ),
    Row(
        "CAA names Let's Encrypt in capital letters",
        validates=True,
        public=with_caa('0 issue "LetsEncrypt.org"'),
        finds=(warning("caa-spelling", "small letters", NAME, says=("every letter",)),),
        leaves_open=("caa-allows",),
    ),
    _forbidden(
        "the DNS servers fail for CAA",
        suffering(Fault.SERVFAIL, "CAA"),
        "caa-unreadable",
        "CAA",
        DOMAIN,
    ),
    Row(
        "the DNS servers are silent for CAA",
        validates=True,
        public=suffering(Fault.SILENT, "CAA"),
        finds=(warning("caa-unreadable", "CAA", DOMAIN),),
        leaves_open=("caa-allows",),
    ),
)
