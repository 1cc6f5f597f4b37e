"""Advances one ACME order by one step, from what is stored and the CA's own answer.

The sealed key and the CSR are committed before newOrder, the order's URL right after it, and the
token before its challenge is answered; so whoever comes after a crash goes on from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from certificates import authority, keys, pem, sealing, store
from certificates.leases import Lease
from certificates.models import Account, Issuance, Order, OrderStatus
from certificates.policy import retry
from certificates.policy.acme_problems import CaProblem
from certificates.policy.issuance import Environment
from certificates.policy.keys import KeyType
from challenges import tokens

# An order's authorizations are looked at as well once it stays pending longer than usual: the
# order itself need not say why it does (RFC 8555 §7.1.6).
POLLS_BEFORE_LOOKING_CLOSER = 3
DEFAULT_TOKEN_LIFETIME = datetime.timedelta(days=7)
AT_ONCE = datetime.timedelta(0)


class OrderFailedError(Exception):
    """The CA has ended the order as invalid, and says why."""

    def __init__(self, problem: CaProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclasses.dataclass(frozen=True)
class Progress:
    """Either the chain, or how long to wait before the next step."""

    wait: datetime.timedelta = AT_ONCE
    chain: pem.ChainFacts | None = None


def directory_url(environment: Environment) -> str:
    """The configured directory of that environment."""
    configuration = settings.CONFIGURATION
    return str(
        configuration.acme_staging_url
        if environment is Environment.STAGING
        else configuration.acme_production_url
    )


def advance(issuance: Issuance, environment: Environment, lease: Lease) -> Progress:
    """Do the next step of the issuance's order.

    Raises OrderFailedError when the CA has ended it, ProblemError for an unusable certificate,
    and what the authority raises.
    """
    order = _current(issuance, environment)
    with _conversation(order) as ca:
        lease.keep()
        try:
            return _step(order, ca, issuance.names)
        except authority.AcmeError as error:
            if _is_lost(error, order):
                _forget(order, account_too=error.problem.type == "accountDoesNotExist")
            raise


def key_of(order: Order) -> bytes:
    """The private key of the order's certificate, PKCS#8 DER. Raises ProblemError."""
    csr = x509.load_pem_x509_csr(order.csr_pem.encode())
    return sealing.unseal(order.sealed_key, keys.sealing_purpose(csr.public_key()))


def current_order(issuance: Issuance, environment: Environment) -> Order:
    """The order that is not invalid. Raises Order.DoesNotExist."""
    return (
        Order.objects.select_related("account")
        .exclude(status=OrderStatus.INVALID)
        .get(issuance=issuance, environment=environment)
    )


def _current(issuance: Issuance, environment: Environment) -> Order:
    try:
        return current_order(issuance, environment)
    except Order.DoesNotExist:
        return _prepare(issuance, environment)


def _prepare(issuance: Issuance, environment: Environment) -> Order:
    """Commit key and CSR before the CA hears of them (a lost key is a lost certificate)."""
    key = keys.generate(KeyType(issuance.key_type))
    csr = keys.make_csr(key, issuance.names)
    return Order.objects.create(
        issuance=issuance,
        environment=environment.value,
        account=_account(directory_url(environment), issuance),
        sealed_key=store.seal_key(keys.to_der(key), key.public_key()),
        csr_pem=pem.csr_to_pem(csr),
    )


def _account(url: str, issuance: Issuance) -> Account:
    key = authority.new_account_key()
    account, _ = Account.objects.get_or_create(
        directory_url=url,
        defaults={
            "sealed_key": sealing.seal(key.der, f"account-key:{key.thumbprint}"),
            "thumbprint": key.thumbprint,
            "contact_email": issuance.gateway.contact_email,
            "terms_of_service_url": issuance.gateway.terms_of_service_url,
        },
    )
    return account


def _conversation(order: Order) -> contextlib.AbstractContextManager[authority.Authority]:
    account = order.account
    key = authority.AccountKey(
        sealing.unseal(account.sealed_key, f"account-key:{account.thumbprint}")
    )
    return authority.connection(
        account.directory_url, key, account.url, settings.CONFIGURATION.acme_ca_bundle
    )


def _step(order: Order, ca: authority.Authority, names: list[str]) -> Progress:
    if not order.account.url:
        url = ca.register(order.account.contact_email)
        Account.objects.filter(pk=order.account_id).update(url=url)
        return Progress()
    if not order.url:
        return _adopt(order, ca.new_order(names))
    match OrderStatus(order.status):
        case OrderStatus.PENDING if not order.challenges_answered:
            return _answer_challenges(order, ca)
        case OrderStatus.READY:
            csr = x509.load_pem_x509_csr(order.csr_pem.encode())
            return _adopt(order, ca.finalize(order.url, order.finalize_url, csr))
        case OrderStatus.VALID:
            return Progress(chain=_download(order, ca, names))
        case _:
            return _poll(order, ca)


def _adopt(order: Order, answer: authority.OrderAnswer) -> Progress:
    """Store what the CA says of the order, and when to look again."""
    changed = answer.status != order.status
    order.polls = 0 if changed else order.polls + 1
    order.status = OrderStatus(answer.status)
    order.url = answer.url
    order.finalize_url = answer.finalize_url
    order.authorization_urls = list(answer.authorization_urls)
    order.certificate_url = answer.certificate_url
    order.expires_at = answer.expires_at
    order.save()
    if order.status == OrderStatus.INVALID:
        raise OrderFailedError(answer.problem or CaProblem("", "the order became invalid"))
    if order.status == OrderStatus.PENDING and not order.challenges_answered:
        return Progress()
    if order.status in {OrderStatus.PENDING, OrderStatus.PROCESSING}:
        return Progress(wait=_pause(order, answer))
    return Progress()


def _pause(order: Order, answer: authority.OrderAnswer) -> datetime.timedelta:
    if answer.retry_after is not None:
        return max(answer.retry_after - timezone.now(), AT_ONCE)
    return retry.poll_delay(order.polls)


def _answer_challenges(order: Order, ca: authority.Authority) -> Progress:
    """Publish every token, durably, before the CA is told to look for it."""
    pending = [
        answer
        for answer in map(ca.authorization, order.authorization_urls)
        if answer.status != "valid"
    ]
    for answer in pending:
        if answer.status != "pending" or answer.challenge is None:
            raise _failed(order, answer)
    _publish(order, pending)
    for answer in pending:
        if answer.challenge is not None and answer.challenge.status == "pending":
            ca.answer(answer.challenge.url)
    order.challenges_answered = True
    order.save(update_fields=["challenges_answered"])
    return Progress(wait=retry.poll_delay(0))


def _publish(order: Order, answers: list[authority.AuthorizationAnswer]) -> None:
    now = timezone.now()
    with transaction.atomic():
        for answer in answers:
            if answer.challenge is not None:
                tokens.publish(
                    answer.challenge.token,
                    answer.challenge.key_authorization,
                    now=now,
                    lifetime=_lifetime(answer, now),
                )
                order.challenge_tokens.append(answer.challenge.token)
        order.save(update_fields=["challenge_tokens"])


def _lifetime(answer: authority.AuthorizationAnswer, now: datetime.datetime) -> datetime.timedelta:
    """Until the authorization ends: a CA may come back for the token as long as it is pending."""
    if answer.expires_at is None or answer.expires_at <= now:
        return DEFAULT_TOKEN_LIFETIME
    return min(answer.expires_at - now, DEFAULT_TOKEN_LIFETIME)


def _poll(order: Order, ca: authority.Authority) -> Progress:
    if order.status == OrderStatus.PENDING and order.polls >= POLLS_BEFORE_LOOKING_CLOSER:
        _raise_if_refused(order, ca)
    answer = ca.order(order.url)
    if answer.status == OrderStatus.INVALID:
        _raise_if_refused(order, ca)
    progress = _adopt(order, answer)
    if order.status != OrderStatus.PENDING:
        withdraw_tokens(order)
    return progress


def _raise_if_refused(order: Order, ca: authority.Authority) -> None:
    """The authorization says why a name failed; the order often does not."""
    for url in order.authorization_urls:
        answer = ca.authorization(url)
        if answer.status not in {"pending", "valid"}:
            raise _failed(order, answer)


def _failed(order: Order, answer: authority.AuthorizationAnswer) -> OrderFailedError:
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.INVALID)
    withdraw_tokens(order)
    return OrderFailedError(
        answer.problem
        or CaProblem(
            "" if answer.challenge else "unauthorized",
            f"the authorization is {answer.status}"
            if answer.challenge
            else "the CA offers no HTTP-01 challenge for this name",
            identifier=answer.identifier,
        )
    )


def withdraw_tokens(order: Order) -> None:
    """Stop answering the order's challenges: its authorizations are final."""
    with transaction.atomic():
        for token in order.challenge_tokens:
            tokens.withdraw(token)


def _download(order: Order, ca: authority.Authority, names: list[str]) -> pem.ChainFacts:
    """The chain, once it is certain that it is what was ordered. Raises ProblemError."""
    chain = pem.split(ca.download(order.certificate_url))
    csr = x509.load_pem_x509_csr(order.csr_pem.encode())
    facts = pem.facts(chain)
    pem.check_key(chain, csr.public_key())
    pem.check_names(facts, names)
    pem.check_validity(facts, timezone.now())
    pem.check_order(chain)
    return facts


def _is_lost(error: authority.AcmeError, order: Order) -> bool:
    """Whether the CA has forgotten the account or the order, as a rebuilt one would."""
    return error.problem.type == "accountDoesNotExist" or (
        bool(order.url) and error.problem.status == 404
    )


def _forget(order: Order, *, account_too: bool) -> None:
    """Register and order anew at the next step; the account's key stays the same."""
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.INVALID)
    if account_too:
        Account.objects.filter(pk=order.account_id).update(url="")
