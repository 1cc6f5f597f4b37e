"""A mail gateway that needs a certificate."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.policy.keys import KeyType


class CertificateSource(models.TextChoices):
    """Where the gateway's certificate comes from; renewal is automatic only for Let's Encrypt."""

    LETS_ENCRYPT = "lets-encrypt", _("Let's Encrypt")
    MANUAL = "manual", _("Manual")


class Gateway(models.Model):
    """One gateway: its names, and where its certificate comes from."""

    DEFAULT_SLUG = "default"

    slug = models.SlugField(max_length=63, unique=True)
    hostname = models.CharField(max_length=253)
    additional_hostnames = models.JSONField(default=list, blank=True)
    contact_email = models.EmailField(blank=True)
    certificate_source = models.CharField(
        max_length=16,
        choices=CertificateSource.choices,
        default=CertificateSource.LETS_ENCRYPT,
    )
    key_type = models.CharField(
        max_length=16,
        choices=[(key_type.value, key_type.label) for key_type in KeyType],
        default=KeyType.ECDSA_P256.value,
    )
    profile = models.CharField(
        max_length=64, blank=True, help_text="A profile of the CA by name; empty for its default."
    )
    keeps_key = models.BooleanField(
        default=False, help_text="Whether a renewal keeps the private key (for DANE)."
    )
    rehearses = models.BooleanField(
        default=True, help_text="Whether the renewal is rehearsed every two weeks."
    )
    next_rehearsal_at = models.DateTimeField(null=True, blank=True)
    terms_of_service_url = models.URLField(
        max_length=500, blank=True, help_text="The document that was agreed to, as the CA named it."
    )
    terms_agreed_at = models.DateTimeField(null=True, blank=True)
    selected_certificate = models.ForeignKey(
        "certificates.Certificate",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="selected_by",
    )
    files_problem = models.JSONField(
        null=True, blank=True, help_text="Why the files in use are not the selected certificate's."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("slug",)
        indexes = (models.Index(fields=("hostname",)), models.Index(fields=("next_rehearsal_at",)))

    def __str__(self) -> str:
        return self.hostname or self.slug

    @property
    def names(self) -> list[str]:
        """Every name that the certificate must hold, the hostname first."""
        return [self.hostname, *self.additional_hostnames]

    @property
    def uses_lets_encrypt(self) -> bool:
        """Whether certificates are obtained and renewed automatically."""
        return self.certificate_source == CertificateSource.LETS_ENCRYPT
