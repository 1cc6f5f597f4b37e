"""What the CA says about renewals, and the profile that was chosen (RFC 9773), acted on by itself.

The worker's beat would ask and sweep within a minute; here it is told to at once.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.main_job.steps import (
    configure,
    embedded_broker,
    name_of,
    rows,
    send_task,
    start_workers,
)
from tests.parts.dns import DnsServer
from tests.parts.faulty_ca import (
    Endpoint,
    Fault,
    FaultyAuthorities,
    FaultyCa,
    Issued,
    RenewalInfo,
    Request,
    Seen,
    usual_window,
)
from tests.parts.pebble import start_authorities
from tests.parts.processes import PartError, wait_until
from tests.parts.product import Product

pytestmark = pytest.mark.slow

HOUR = datetime.timedelta(hours=1)
PROFILE = "shortlived"
BROUGHT_FORWARD = "renewal-brought-forward"


class Suspicions:
    """The names whose first certificates the CA wants replaced at once, and where it says why."""

    def __init__(self) -> None:
        self.explained_at: dict[str, str] = {}
        self._firsts: dict[str, str] = {}

    def window(self, issued: Issued) -> RenewalInfo:
        """A window in the past for such a certificate, the usual one for all others."""
        (name,) = issued.order.names
        url = self.explained_at.get(name)
        # None is renewed early before it was asked about, so the first question is about the first.
        if not url or self._firsts.setdefault(name, issued.certificate_id) != issued.certificate_id:
            return usual_window(issued)
        now = datetime.datetime.now(datetime.UTC)
        return RenewalInfo(now - 2 * HOUR, now - HOUR, explanation_url=url)


class Scene:
    """A product at work, and CAs that offer what Let's Encrypt does."""

    def __init__(self, product: Product, cas: FaultyAuthorities) -> None:
        self.product = product
        self.cas = cas
        self.suspicions = Suspicions()
        for ca in cas.both:
            ca.offers.profiles(classic="The usual one", **{PROFILE: "Six days"})
            ca.offers.renewal_info(self.suspicions.window)

    def obtain(self, slug: str, *configured: str) -> str:
        """A certificate for a new gateway; returns its RFC 9773 identifier, as the CA has it."""
        self.product.manage(
            "configure",
            "--gateway",
            slug,
            "--hostname",
            name_of(slug),
            "--contact-email",
            "postmaster@example.com",
            "--agree-terms",
            *configured,
        )
        assert self.product.json("issue", slug, "--wait")["state"] == "done"
        return self.issued_for(slug)[0].certificate_id

    def bring_forward(self, slug: str) -> str:
        """The worker asks the CA, which wants the renewal now; returns what the log has of it."""
        self._tell_worker("inquire")
        self._wait_until(lambda: self._told(slug), "The log tells of the CA's wish")
        (event,) = (
            event
            for event in self.product.json("log", "--gateway", slug)["events"]
            if event["code"] == BROUGHT_FORWARD
        )
        return str(event["detail"])

    def sweep_until_renewed(self, slug: str) -> Issued:
        """The worker sweeps, and another certificate is in use; returns that."""
        self._tell_worker("sweep")
        self._wait_until(lambda: len(self.issued_for(slug)) > 1, "The CA has issued another one")
        _, new = self.issued_for(slug)
        number = new.certificate.serial_number
        self._wait_until(lambda: self._serial_in_use(slug) == number, "It is in use")
        return new

    def issued_for(self, slug: str) -> list[Issued]:
        """What the production CA has issued for that gateway, oldest first."""
        found = self.cas.production.issued.values()
        return [issued for issued in found if name_of(slug) in issued.order.names]

    def orders_for(self, slug: str, ca: FaultyCa) -> list[Seen]:
        """Every newOrder request for that gateway."""
        return [seen for seen in ca.requests(Endpoint.NEW_ORDER) if asks_for(slug, seen)]

    def _tell_worker(self, task: str) -> None:
        send_task(f"certificates.tasks.{task}", *embedded_broker(self.product))

    def _wait_until(self, condition: Callable[[], object], what: str) -> None:
        try:
            wait_until(condition, what, timeout=60)
        except PartError as error:
            # The worker is left alive, for the other tests.
            log = self.product.processes["worker"].output()
            raise PartError(f"{error}\n{log}") from error

    def _told(self, slug: str) -> bool:
        return (slug, BROUGHT_FORWARD) in rows(
            self.product,
            "SELECT gateway.slug, event.code FROM certificates_event AS event "
            "JOIN certificates_gateway AS gateway ON gateway.id = event.gateway_id",
        )

    def _serial_in_use(self, slug: str) -> int:
        serials = rows(
            self.product,
            "SELECT gateway.slug, certificate.serial FROM certificates_gateway AS gateway "
            "JOIN certificates_certificate AS certificate "
            "ON certificate.id = gateway.selected_certificate_id",
        )
        return int(dict(serials)[slug], 16)


def asks_for(slug: str, request: Request | Seen) -> bool:
    """Whether this newOrder request is for that gateway."""
    identifiers = (request.payload or {})["identifiers"]
    return name_of(slug) in {identifier["value"] for identifier in identifiers}


def says_what_it_replaces(request: Request) -> bool:
    """Whether this newOrder request names the certificate that it replaces (RFC 9773 §5)."""
    return "replaces" in (request.payload or {})


def replaced_by(orders: list[Seen]) -> list[str]:
    """What each of the requests says it replaces; empty where it says nothing."""
    return [str((seen.payload or {}).get("replaces", "")) for seen in orders]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer) -> Iterator[Scene]:
    """One product and its CAs for all of these tests, each of which has a gateway of its own."""
    directory = tmp_path_factory.mktemp("renewal-information")
    with ExitStack() as stack:
        behind = stack.enter_context(
            closing(start_authorities(directory / "acme", dns=dns_server.address))
        )
        cas = stack.enter_context(closing(FaultyAuthorities.before(behind)))
        product = stack.enter_context(Product(directory / "product" / "data", cas.environment()))
        scene = Scene(product, cas)
        configure(product, behind)
        start_workers(product, behind)
        yield scene


def test_a_window_in_the_past_renews_the_certificate_and_the_ca_hears_what_is_replaced(
    scene: Scene,
) -> None:
    url = "https://ca.example.test/incidents/17"
    scene.suspicions.explained_at[name_of("recalled")] = url
    first = scene.obtain("recalled")

    assert url in scene.bring_forward("recalled")
    new = scene.sweep_until_renewed("recalled")

    orders = scene.orders_for("recalled", scene.cas.production)
    assert replaced_by(orders) == ["", first]
    # It checks what it is told, and has taken this.
    assert orders[-1].answered_by == "ca"
    assert new.order.replaces == first
    # What has worked before goes to the production CA at once.
    assert len(scene.orders_for("recalled", scene.cas.staging)) == 1


def test_a_ca_that_takes_the_certificate_for_replaced_is_asked_once_more_without_that(
    scene: Scene,
) -> None:
    scene.suspicions.explained_at[name_of("replaced")] = "https://ca.example.test/incidents/18"
    scene.cas.production.rules.add(
        Fault.problem("alreadyReplaced", status=409, detail="another order has replaced it"),
        at=Endpoint.NEW_ORDER,
        when=lambda request: asks_for("replaced", request) and says_what_it_replaces(request),
    )
    first = scene.obtain("replaced")
    scene.bring_forward("replaced")

    new = scene.sweep_until_renewed("replaced")

    orders = scene.orders_for("replaced", scene.cas.production)
    assert replaced_by(orders[1:]) == [first, ""]
    assert new.order.replaces == ""


def test_the_chosen_profile_is_ordered(scene: Scene) -> None:
    scene.obtain("brief", "--profile", PROFILE)

    for ca in scene.cas.both:
        (order,) = scene.orders_for("brief", ca)
        assert (order.payload or {})["profile"] == PROFILE
    (issued,) = scene.issued_for("brief")
    assert issued.order.profile == PROFILE
