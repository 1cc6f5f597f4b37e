"""What a console can hold: nothing, an ordinary week, and more than anybody asked for."""

from __future__ import annotations

import dataclasses
import datetime

from django.utils import timezone

from certificates import applying, backoffs, directories, self_signing
from certificates.models import (
    Account,
    Certificate,
    CertificateRequest,
    CertificateSource,
    Component,
    Directory,
    Event,
    FollowedFiles,
    Gateway,
    Heartbeat,
    Issuance,
    Level,
    LimitUse,
    Order,
    OrderStatus,
    Origin,
    Preflight,
    RenewalInformation,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy.health import AHEAD
from certificates.policy.issuance import STAGES, Course, Environment, State
from certificates.policy.keys import KeyType
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from challenges.models import (
    ChallengeListener,
    NetworkScenario,
    NetworkSettings,
    ValidationRequest,
)
from challenges.problems import Problem, Severity
from gateway_admin.models import Role, User
from tests.certificates.chains import Link, make_authority, make_leaf, store_leaf

DAY = datetime.timedelta(days=1)
OBTAINED = (Origin.LETS_ENCRYPT,)
PRIVATE_CA = ("Example Root CA", "Example Issuing CA 3")
LONG_NAME = ".".join(("a" * 63, "b" * 63, "mail-gateway-of-a-rather-long-name", "example"))
LONG_WORDS = "urn:ietf:params:acme:error:rateLimited " * 12 + "x" * 300

CLOSED_PORT = Problem(
    code="acme-connection",
    severity=Severity.ERROR,
    explanation="Let's Encrypt could not connect to mail.example.com on TCP port 80.",
    remedy=(
        "On the router, forward TCP port 80 of the public address to port 8080 of this machine.",
        "Make sure that the rule holds for every source address.",
        "Press Try again.",
    ),
    detail="203.0.113.7: Fetching http://mail.example.com/.well-known/acme-challenge/x: refused",
    retryable=True,
)
LONG_PROBLEM = Problem(
    code="acme-rate-limited",
    severity=Severity.ERROR,
    explanation=f"The CA refused {LONG_NAME}: {LONG_WORDS}",
    remedy=tuple(f"Step {number}, about {LONG_NAME}: {LONG_WORDS[:200]}" for number in range(8)),
    detail=LONG_WORDS,
)


FIREWALL = Problem(
    code="reach-timeout",
    severity=Severity.WARNING,
    explanation="mail.example.com (203.0.113.7) does not answer on TCP port 80.",
    remedy=("On the router, forward TCP port 80 to port 8080 of 192.168.1.20, from every source.",),
    detail="203.0.113.7:80: timed out after 4 s",
    retryable=True,
)
BROKEN_FILE = Problem(
    code="followed-files-unusable",
    severity=Severity.WARNING,
    explanation="What is in /etc/tool/live/fullchain.pem now cannot be used: it is damaged.",
    remedy=("See why the other tool has written it.",),
)
NO_HAIRPIN = Problem(
    code="reach-unknown",
    severity=Severity.INFO,
    explanation="Whether the port is open cannot be seen from inside this network.",
    remedy=("Press Test and obtain certificate: the staging test looks from outside.",),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """Who looks, and at which addresses."""

    viewer: User
    paths: tuple[str, ...]


# What is shown depends on what is stored …
LISTS = (
    "/",
    "/gateways/",
    "/settings/network/",
    "/guidance/",
    "/certificates/",
    "/warnings/",
    "/log/",
    "/users/",
)
# … and here it does not.
FORMS = (
    "/gateways/add/",
    "/certificates/import/",
    "/users/add/",
    "/users/me/password/",
    "/nowhere/",
)
# Forms in which there is nothing that could become too much.
SMALL = ("/certificates/self-signed/", "/certificates/requests/add/")
COMMON = LISTS + FORMS


def empty() -> Scene:
    """A console that was claimed a moment ago."""
    return Scene(_administrator("anna.becker"), LISTS)


def ordinary() -> Scene:
    """One gateway, renewed once after a failure, with its certificate in use."""
    viewer = _administrator("anna.becker")
    _alive()
    gateway = _gateway("default", "mail.example.com", ["smtp.example.com", "imap.example.com"])
    failed = _issuance(gateway, State.FAILED, ago=50 * DAY, problem=CLOSED_PORT)
    done = _issuance(gateway, State.DONE, ago=49 * DAY)
    certificate = _certificate(gateway, days_left=41, issuance=done)
    gateway.selected_certificate = certificate
    gateway.save()
    _events(gateway, done, 12)
    rows = (gateway, failed, certificate, _request(gateway, organization="Example Ltd"))
    return Scene(viewer, (*COMMON, *SMALL, *(path for row in rows for path in _paths(row))))


def bare() -> Scene:
    """One gateway that has nothing yet."""
    viewer = _administrator("anna.becker")
    _alive()
    return Scene(viewer, _paths(_gateway("default", "mail.example.com", [])))


def manual() -> Scene:
    """Certificates by hand: replaced and expiring, self-signed, and following files in vain."""
    viewer = _administrator("anna.becker")
    _alive()
    gateway = _gateway("default", "mail.example.com", [])
    before = _certificate(gateway, days_left=2, origin=Origin.IMPORTED)
    own = _certificate(gateway, days_left=12, origin=Origin.IMPORTED)
    own.replaces = before
    own.save()
    other = _certificate(gateway, days_left=41)
    _select(gateway, own)
    quick = _gateway("quick", "mail.example.net", [])
    lone = _self_signed(quick)
    _select(quick, lone)
    follower = _gateway("follower", "mail.example.org", [])
    followed = _certificate(follower, days_left=20, origin=Origin.IMPORTED)
    _select(follower, followed)
    _follow(follower, followed, "/etc/tool/live", problem=BROKEN_FILE)
    rows = (gateway, own, other, quick, lone, follower, followed)
    return Scene(viewer, ("/", *(path for row in rows for path in _paths(row)), *_by_hand(own)))


def held_back() -> Scene:
    """Nothing may be ordered for a while, one waits, one has stopped, and a rehearsal failed."""
    viewer, now = _administrator("anna.becker"), timezone.now()
    _alive()
    production = directories.url_of(Environment.PRODUCTION)
    profiles = {"classic": "", "shortlived": "", "odd": LONG_WORDS}
    Directory.objects.create(
        url=production, profiles=profiles, read_at=now, away_since=now - DAY, detail=LONG_WORDS
    )
    gateway = _gateway("default", "mail.example.com", [])
    certificate = _in_use(gateway, days_left=12)
    RenewalInformation.objects.create(
        certificate=certificate,
        window_start=now + DAY,
        window_end=now + 2 * DAY,
        explanation_url=f"https://ca.example.org/{'why' * 60}",
        checked_at=now,
        next_check_at=now + DAY,
    )
    _rehearsal(gateway, State.FAILED)
    for _ in range(4):
        LimitUse.objects.create(
            directory_url=production,
            limit=Limit.CERTIFICATES_PER_SET.value,
            subject=identifier_set(gateway.names),
            at=now,
        )
    stopped = _gateway("stopped", "mail.example.net", [])
    _in_use(stopped, days_left=9)
    failed = _issuance(stopped, State.FAILED, ago=DAY, problem=CLOSED_PORT)
    backoffs.failed(identifier_set(stopped.names), LONG_PROBLEM, now, lifetime=None)
    waiting = _gateway("waiting", "mail.example.org", [])
    late = _issuance(waiting, State.PRODUCTION, ago=DAY, problem=CLOSED_PORT)
    Issuance.objects.filter(pk=late.pk).update(next_step_at=now + DAY)
    rehearsing = _gateway("rehearsing", "mail.example.info", [])
    _in_use(rehearsing, days_left=60)
    running = _rehearsal(rehearsing, State.STAGING_TEST)
    # The first one's form and guidance are those of them all.
    own = tuple(f"/gateways/{row.slug}/" for row in (stopped, waiting, rehearsing))
    rows = (gateway, certificate, failed, late, running)
    return Scene(
        viewer, ("/", "/gateways/", "/warnings/", *own, *(p for row in rows for p in _paths(row)))
    )


def looking() -> Scene:
    """Preflights that wait, run, have found something and have come to nothing; and evidence."""
    viewer, now = _administrator("anna.becker"), timezone.now()
    _alive()
    second = datetime.timedelta(seconds=1)
    # As in :func:`_alive`: the pages are looked at for longer than a preflight may take.
    ahead = now + Preflight.ABANDONED_AFTER - second
    found = _gateway("found", "mail.example.com", ["smtp.example.com"])
    _preflight(found, [FIREWALL, NO_HAIRPIN], at=now - 2 * second, established=SEEN)
    running = _gateway("running", "mail.example.org", [])
    row = _preflight(running, [], at=ahead, established=())
    Preflight.objects.filter(pk=row.pk).update(
        finished_at=None, step=2, steps=3, progress="Asking the DNS and the challenge port"
    )
    queued = _gateway("queued", "mail.example.net", [])
    row = _preflight(queued, [], at=now - 7 * second, established=())
    Preflight.objects.filter(pk=row.pk).update(finished_at=None, taken_at=None)
    dead = _gateway("dead", "mail.example.info", [])
    row = _preflight(dead, [], at=now - DAY, established=())
    Preflight.objects.filter(pk=row.pk).update(finished_at=None)
    failed = _issuance(found, State.FAILED, ago=DAY, problem=CLOSED_PORT)
    visit(failed, 4)
    watched = _issuance(dead, State.FAILED, ago=DAY / 2, problem=CLOSED_PORT)
    visit(watched, 0)
    first = _issuance(running, State.PREFLIGHT, ago=second)
    Preflight.objects.filter(issuance=first).update(
        started_at=ahead,
        taken_at=ahead,
        finished_at=None,
        step=1,
        steps=3,
        progress="Looking at the names, the clock and this machine's addresses",
    )
    rows = (found, running, queued, dead, failed, watched, first)
    return Scene(viewer, tuple(path for row in rows for path in _paths(row)))


def overfull() -> Scene:
    """A hundred names, labels as long as they may be, and a CA with much to say."""
    viewer = _administrator("w" * 150)
    gateway = _gateway("g" * 63, LONG_NAME, [f"{'n' * 60}{i:03}.example.com" for i in range(99)])
    failed = _issuance(gateway, State.FAILED, ago=DAY, problem=LONG_PROBLEM)
    certificate = _certificate(gateway, -30, issuers=tuple("i" * 60 + str(n) for n in range(8)))
    before = certificate
    for number in range(11):
        newer = _certificate(gateway, 60 - 9 * number, origin=list(Origin)[number % 3])
        newer.replaces = before
        newer.save()
        before = newer
    gateway.selected_certificate = certificate
    gateway.save()
    _follow(gateway, before, f"/etc/{'directory/' * 60}", problem=LONG_PROBLEM)
    asked = _request(gateway, organization="o" * 64, locality="l" * 128, country="DE")
    for number in range(50):
        _gateway(f"g{number}", f"mail{number}.customer.example.net", [])
    busy = _gateway("busy", "mail.busy.example.net", [])
    running = _issuance(busy, State.PRODUCTION, ago=datetime.timedelta(seconds=30))
    Preflight.objects.filter(issuance=failed).delete()
    many = [dataclasses.replace(LONG_PROBLEM, code=f"finding-{number}") for number in range(30)]
    _preflight(
        gateway,
        many,
        at=timezone.now() - DAY,
        issuance=failed,
        established=tuple(("dns-public", f"{LONG_NAME}: {LONG_WORDS[:300]}") for _ in range(40)),
    )
    visit(failed, 70, host=LONG_WORDS[:255], user_agent=f"<b>{LONG_WORDS}"[:200])
    _events(gateway, failed, 110, suffix=f" {LONG_NAME} {LONG_WORDS}")
    return Scene(
        viewer,
        (
            *COMMON,
            *_paths(gateway),
            *_paths(failed),
            *_paths(running),
            *_paths(certificate),
            *_paths(asked)[:1],
            "/gateways/?q=nothing-is-called-so",
            f"/log/?gateway={gateway.slug}&level=error",
        ),
    )


def _select(gateway: Gateway, certificate: Certificate) -> None:
    gateway.selected_certificate = certificate
    gateway.certificate_source = CertificateSource.MANUAL
    gateway.save()


def _in_use(gateway: Gateway, days_left: int) -> Certificate:
    certificate = _certificate(gateway, days_left)
    gateway.selected_certificate = certificate
    gateway.next_rehearsal_at = timezone.now() + 3 * DAY
    gateway.save()
    return certificate


def _rehearsal(gateway: Gateway, state: State) -> Issuance:
    problem = CLOSED_PORT if state is State.FAILED else None
    rehearsal = _issuance(gateway, state, ago=DAY / 24, problem=problem)
    rehearsal.course, rehearsal.trigger = Course.REHEARSAL.value, Trigger.REHEARSAL
    rehearsal.save()
    return rehearsal


def _paths(row: Gateway | Issuance | Certificate | CertificateRequest) -> tuple[str, ...]:
    match row:
        case Gateway():
            own = f"/gateways/{row.slug}/"
            return (own, f"{own}settings/", f"{own}guidance/", f"{own}guidance/request/")
        case Issuance():
            return (f"/issuances/{row.pk}/",)
        case Certificate():
            return (f"/certificates/{row.pk}/", f"/certificates/{row.pk}/use/")
        case CertificateRequest():
            own = f"/certificates/requests/{row.pk}/"
            return (own, f"{own}discard/")


def _by_hand(certificate: Certificate) -> tuple[str, ...]:
    """What can be done with one that was brought in by hand."""
    own = f"/certificates/{certificate.pk}/"
    follow = f"/gateways/{certificate.gateway.slug}/follow/"
    return (f"{own}replace/", f"{own}export/", follow)


def _administrator(name: str) -> User:
    return User.objects.create_user(name, password="a long password", role=Role.ADMINISTRATOR)


def _alive() -> None:
    now = timezone.now()
    # As far ahead as counts: the pages are looked at for longer than a part may be silent.
    seen_at = now + AHEAD - datetime.timedelta(seconds=1)
    for component in Component:
        Heartbeat.objects.create(component=component, seen_at=seen_at)
    network = NetworkSettings(pk=1, scenario=NetworkScenario.LAN, challenge_port=8080)
    network.save()
    ChallengeListener.objects.create(
        host="gateway",
        pid=1,
        port=8080,
        wanted_port=8080,
        addresses="0.0.0.0, [::]",
        started_at=now,
        seen_at=seen_at,
    )


def _gateway(slug: str, hostname: str, additional: list[str]) -> Gateway:
    return Gateway.objects.create(
        slug=slug,
        hostname=hostname,
        additional_hostnames=additional,
        contact_email="postmaster@example.com",
        terms_of_service_url="https://ca.example.org/terms",
        terms_agreed_at=timezone.now(),
    )


def _issuance(
    gateway: Gateway, state: State, *, ago: datetime.timedelta, problem: Problem | None = None
) -> Issuance:
    begun = timezone.now() - ago
    issuance = Issuance.objects.create(
        gateway=gateway,
        state=state,
        trigger=Trigger.MANUAL,
        names=gateway.names,
        identifier_set=identifier_set(gateway.names),
        key_type=gateway.key_type,
        problem_facts=problem.to_json() if problem else None,
        started_at=begun,
        finished_at=begun + datetime.timedelta(seconds=3) if state.is_terminal else None,
    )
    _preflight(gateway, [problem] if problem else [], at=begun, issuance=issuance)
    last = {State.DONE: 4, State.FAILED: 2}.get(state, 3)
    for number, stage in enumerate(STAGES[:last]):
        is_last = number == last - 1
        end = StageState.FAILED if state is State.FAILED else StageState.RUNNING
        status = end if is_last and state is not State.DONE else StageState.DONE
        Stage.objects.create(
            issuance=issuance,
            stage=stage,
            state=status,
            started_at=begun + datetime.timedelta(seconds=number),
            finished_at=None
            if status is StageState.RUNNING
            else begun + datetime.timedelta(seconds=number + 0.4),
        )
    return issuance


def visit(issuance: Issuance, count: int, **texts: str) -> None:
    """An order of the issuance, and so many requests for its token from different networks."""
    token = f"token-of-issuance-{issuance.pk}-alone"
    end = issuance.finished_at or timezone.now()
    account, _ = Account.objects.get_or_create(directory_url="https://ca.example.org/")
    order = Order.objects.create(
        issuance=issuance,
        account=account,
        environment=Environment.STAGING,
        status=OrderStatus.INVALID,
        challenge_tokens=[token],
        tokens_withdrawn_at=end,
        was_watched=True,
    )
    Order.objects.filter(pk=order.pk).update(created_at=issuance.started_at)
    told = {"host": issuance.names[0], "user_agent": "Mozilla/5.0 (validation server)"} | texts
    for number in range(count):
        ValidationRequest.objects.create(
            token=token,
            is_known=True,
            received_at=issuance.started_at + datetime.timedelta(seconds=1 + number / 100),
            address=f"2600:1f14:{number:x}:aaaa:bbbb:cccc:dddd:eeee"
            if number % 2
            else "23.178.1.9",
            **told,
        )


SEEN = (
    ("names-usable", "All names are full hostnames that a public CA can issue for."),
    ("dns-public", "In the public DNS mail.example.com leads to 203.0.113.7."),
    ("port-served", "Port 8080 of this machine (192.168.1.20) is served by the challenge service."),
    ("ca-reachable", "The CA's two environments answer."),
)


def _preflight(
    gateway: Gateway,
    findings: list[Problem],
    *,
    at: datetime.datetime,
    issuance: Issuance | None = None,
    established: tuple[tuple[str, str], ...] = SEEN,
) -> Preflight:
    return Preflight.objects.create(
        gateway=gateway,
        issuance=issuance,
        names=gateway.names,
        findings=[finding.to_json() for finding in findings],
        established=established,
        addresses={"mail.example.com": ["203.0.113.7"]},
        started_at=at,
        taken_at=at,
        finished_at=at + datetime.timedelta(seconds=2.4),
    )


def _certificate(
    gateway: Gateway,
    days_left: int,
    *,
    origin: Origin = Origin.LETS_ENCRYPT,
    issuance: Issuance | None = None,
    issuers: tuple[str, ...] = (),
) -> Certificate:
    end = timezone.now() + days_left * DAY + DAY / 2
    root, *others = issuers or (("ISRG Root X1", "R11") if origin in OBTAINED else PRIVATE_CA)
    above = make_authority(root)
    for name in others:
        above = make_authority(name, above)
    leaf = make_leaf(*gateway.names, above=above, begin=end - 90 * DAY, lifetime=90 * DAY)
    certificate = store_leaf(gateway, dataclasses.replace(leaf, above=_without_root(above)), origin)
    certificate.issuance = issuance
    certificate.save()
    return certificate


def _without_root(link: Link) -> Link | None:
    """As CAs hand chains out."""
    if link.above is None:
        return None
    return dataclasses.replace(link, above=_without_root(link.above))


def _self_signed(gateway: Gateway) -> Certificate:
    return self_signing.create(gateway, timezone.now())


def _request(gateway: Gateway, **particulars: str) -> CertificateRequest:
    subject = applying.Subject(**particulars)
    return applying.create(gateway, [], KeyType.ECDSA_P256, subject, timezone.now())


def _follow(
    gateway: Gateway, certificate: Certificate, directory: str, problem: Problem | None = None
) -> None:
    now = timezone.now()
    FollowedFiles.objects.create(
        gateway=gateway,
        certificate_path=f"{directory}/fullchain.pem",
        key_path=f"{directory}/privkey.pem",
        certificate=certificate,
        problem_facts=problem.to_json() if problem else None,
        checked_at=now,
        changed_at=now - DAY,
    )


def _events(gateway: Gateway, issuance: Issuance, count: int, suffix: str = "") -> None:
    sentences = (
        (Level.INFO, f"The certificate for {gateway.hostname} is in use until 4 January.", ""),
        (Level.INFO, "Let's Encrypt has issued the certificate.", "Order 4711, valid"),
        (Level.INFO, "The staging test has passed.", ""),
        (Level.WARNING, "The preflight found one thing that may stand in the way.", "timeout"),
        (Level.INFO, "anna.becker asked for a certificate.", ""),
        (Level.INFO, "anna.becker changed the challenge port from 80 to 8080.", ""),
        (Level.ERROR, "Let's Encrypt could not connect to TCP port 80.", CLOSED_PORT.detail),
    )
    for number in range(count):
        level, message, detail = sentences[number % len(sentences)]
        Event.objects.create(
            at=timezone.now() - number * datetime.timedelta(minutes=9),
            level=level,
            gateway=gateway,
            issuance=issuance if number % 7 != 5 else None,
            code="example",
            message=message + suffix,
            detail=detail + suffix if detail else "",
        )
