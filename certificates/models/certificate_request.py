"""A certificate request whose private key waits here for a CA's answer that a person brings."""

from __future__ import annotations

from django.db import models


class CertificateRequest(models.Model):
    """For certificates that are bought: the key is made and sealed here, and no CA sees it.

    One request may be answered several times (a CA issues again); the newest answer is kept in
    ``certificate``.
    """

    gateway = models.ForeignKey(
        "certificates.Gateway", on_delete=models.CASCADE, related_name="certificate_requests"
    )
    names = models.JSONField(help_text="A-labels, the hostname first.")
    subject = models.JSONField(
        default=dict, blank=True, help_text="What a CA wants to know of the organization, by name."
    )
    key_type = models.CharField(max_length=16)
    csr_pem = models.TextField()
    sealed_key = models.TextField()
    spki_sha256 = models.CharField(
        max_length=64, unique=True, help_text="Of the public key; hexadecimal."
    )
    certificate = models.OneToOneField(
        "certificates.Certificate",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="request",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"{', '.join(self.names)} ({self.pk})"
