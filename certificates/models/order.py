"""One ACME order (RFC 8555 §7.1.3) of an issuance."""

from __future__ import annotations

from django.db import models

from certificates.policy.issuance import Environment


class OrderStatus(models.TextChoices):
    """The CA's own words (RFC 8555 §7.1.6); NEW is ours, before the CA has been asked."""

    NEW = "new"
    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class Order(models.Model):
    """Created, with its sealed key and CSR, before newOrder is sent; the URL follows at once."""

    issuance = models.ForeignKey(
        "certificates.Issuance", on_delete=models.CASCADE, related_name="orders"
    )
    account = models.ForeignKey("certificates.Account", on_delete=models.PROTECT)
    environment = models.CharField(
        max_length=16, choices=[(value.value, value.value) for value in Environment]
    )
    status = models.CharField(max_length=16, choices=OrderStatus.choices, default=OrderStatus.NEW)
    sealed_key = models.TextField()
    csr_pem = models.TextField()
    profile = models.CharField(max_length=64, blank=True, help_text="As asked for.")
    replaces = models.CharField(
        max_length=255,
        blank=True,
        help_text="The certificate that is renewed, by its RFC 9773 identifier, as asked for.",
    )
    url = models.URLField(max_length=500, blank=True)
    finalize_url = models.URLField(max_length=500, blank=True)
    authorization_urls = models.JSONField(default=list, blank=True)
    certificate_url = models.URLField(max_length=500, blank=True)
    challenge_tokens = models.JSONField(
        default=list, blank=True, help_text="Published for this order; withdrawn when it is final."
    )
    challenges_answered = models.BooleanField(default=False)
    tokens_withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="When nothing more was expected of the CA's visits."
    )
    was_watched = models.BooleanField(
        default=False, help_text="A challenge process ran all the while, so no visit was missed."
    )
    is_handed_over = models.BooleanField(
        default=False, help_text="The CA is being sent the certificate request, or has been."
    )
    polls = models.PositiveIntegerField(
        default=0, help_text="Since the last change of status; spaces the next poll."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("issuance", "environment"),
                condition=~models.Q(status="invalid"),
                name="one_live_order_per_environment",
            ),
        )

    def __str__(self) -> str:
        return self.url or f"order of issuance {self.issuance_id}"

    def has_proved_all(self, names: int) -> bool:
        """Whether a challenge was answered for each of so many names, and none taken as proved."""
        return len(self.challenge_tokens) >= names
