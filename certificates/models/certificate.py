"""One concrete certificate chain with its sealed private key."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.policy.keys import KeyType


class Origin(models.TextChoices):
    """How the certificate came here. There is none for staging: those are never kept."""

    LETS_ENCRYPT = "lets-encrypt", _("Let's Encrypt")
    IMPORTED = "imported", _("Imported")
    REQUESTED = "requested", _("Certificate request")
    SELF_SIGNED = "self-signed", _("Self-signed")


class Certificate(models.Model):
    """A chain that was checked before it was stored: its key matches and its order is right."""

    gateway = models.ForeignKey(
        "certificates.Gateway", on_delete=models.CASCADE, related_name="certificates"
    )
    issuance = models.OneToOneField(
        "certificates.Issuance",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="certificate",
    )
    replaces = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="replaced_by",
        help_text="The version before this one, of a certificate that is replaced by hand.",
    )
    origin = models.CharField(max_length=16, choices=Origin.choices)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    renewal_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the policy wants it renewed, failures aside; none unless we renew it.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    key_type = models.CharField(max_length=16)
    serial = models.CharField(max_length=64, help_text="Hexadecimal, lower case.")
    sha256 = models.CharField(max_length=64, help_text="Of the leaf's DER; hexadecimal.")
    names = models.JSONField(default=list)
    subject = models.CharField(max_length=500, blank=True)
    issuer = models.CharField(max_length=500, blank=True)
    # Last, because whoever wants what stands behind them in a row would have to read over them.
    chain_pem = models.TextField(help_text="Leaf first, then its issuers in order.")
    sealed_key = models.TextField()

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("gateway", "sha256"), name="certificate_once_per_gateway"
            ),
        )
        indexes = (
            models.Index(fields=("gateway", "-not_after")),
            models.Index(fields=("renewal_at",)),
        )

    def __str__(self) -> str:
        return f"{self.issuer}, {self.serial}"

    @property
    def key_type_label(self) -> str:
        """The key's kind in words; imported keys may be of kinds that we do not make."""
        return KeyType(self.key_type).label if self.key_type in set(KeyType) else self.key_type
