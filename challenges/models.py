"""What the challenge port is told and what it reports: tokens, settings, listener, requests."""

from __future__ import annotations

import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class ChallengeToken(models.Model):
    """An HTTP-01 token (RFC 8555 §8.3) and the key authorization to answer it with.

    A key authorization is public: it proves control and gives none.
    """

    token = models.CharField(max_length=128, unique=True)
    key_authorization = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.token


class ValidationRequest(models.Model):
    """A request that the challenge port has had: what tells a closed firewall from wrong DNS.

    Written in bounded number by the challenge processes, read beside the issuance that published
    the token. All texts come from strangers.
    """

    token = models.CharField(max_length=128, db_index=True)
    is_known = models.BooleanField(
        null=True,
        help_text="Whether the token was published; none when the database could not be asked.",
    )
    was_sent = models.BooleanField(
        default=True, help_text="Whether the peer was still there when the answer was sent."
    )
    received_at = models.DateTimeField(db_index=True)
    address = models.GenericIPAddressField(help_text="The peer's; a router may have changed it.")
    host = models.CharField(max_length=255, blank=True, help_text="The Host header, without port.")
    user_agent = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.address} for {self.token}"


class NetworkScenario(models.TextChoices):
    """Where the gateway stands, seen from the internet."""

    LAN = "lan", _("Local area network (behind a router with NAT)")
    EXTERNAL = "external", _("External network (public IP address)")


class NetworkSettings(models.Model):
    """The one row of settings of this console's network: scenario and challenge port."""

    DEFAULT_CHALLENGE_PORT = 8080

    scenario = models.CharField(
        max_length=16, choices=NetworkScenario.choices, default=NetworkScenario.LAN
    )
    challenge_port = models.PositiveIntegerField(
        default=DEFAULT_CHALLENGE_PORT,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
    )
    changed_at = models.DateTimeField(
        null=True, blank=True, help_text="When one of them last became another one; none if never."
    )

    class Meta:
        verbose_name_plural = "network settings"
        constraints = (
            models.CheckConstraint(condition=models.Q(pk=1), name="network_settings_is_one_row"),
            models.CheckConstraint(
                condition=models.Q(challenge_port__gte=1, challenge_port__lte=65535),
                name="network_settings_port_is_a_port",
            ),
        )

    def __str__(self) -> str:
        return f"{self.scenario}, challenge port {self.challenge_port}"

    @classmethod
    def load(cls) -> NetworkSettings:
        """The stored row, or the defaults, unsaved, while there is none."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class ChallengeListener(models.Model):
    """What one challenge process reports of itself: the port it serves, and why not another.

    One row for each place that one can serve from, so that two machines with one hostname have
    two. A process that has been started anew in the same place takes over the row.
    """

    SILENT_AFTER = datetime.timedelta(seconds=15)

    host = models.CharField(max_length=255)
    place = models.CharField(
        max_length=128, default="", blank=True, help_text="Tells apart who has the same hostname."
    )
    pid = models.PositiveIntegerField()
    port = models.PositiveIntegerField(null=True, help_text="Bound now; none when nothing is.")
    addresses = models.TextField(blank=True)
    wanted_port = models.PositiveIntegerField()
    error = models.TextField(blank=True, help_text="Why the wanted port is not bound.")
    lowest_port = models.PositiveIntegerField(
        default=1024, help_text="The lowest port that this process has the right to bind."
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Heartbeat.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("host", "place"), name="challenge_listener_is_one"),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def newest(cls) -> ChallengeListener | None:
        """The challenge process that gave the last sign of life. One query."""
        return cls.objects.order_by("-seen_at").first()

    def is_alive(self, now: datetime.datetime) -> bool:
        """Whether its heartbeat is recent."""
        return now - self.seen_at < self.SILENT_AFTER
