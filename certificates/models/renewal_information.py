"""What the CA suggests about a certificate's renewal (RFC 9773)."""

from __future__ import annotations

from django.db import models


class RenewalInformation(models.Model):
    """The last usable answer, and when to ask again. Times in UTC."""

    certificate = models.OneToOneField(
        "certificates.Certificate", on_delete=models.CASCADE, related_name="renewal_information"
    )
    window_start = models.DateTimeField(null=True, blank=True)
    window_end = models.DateTimeField(null=True, blank=True)
    explanation_url = models.URLField(max_length=500, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True, help_text="The last usable answer.")
    next_check_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")

    class Meta:
        indexes = (models.Index(fields=("next_check_at",)),)

    def __str__(self) -> str:
        return f"certificate {self.certificate_id}: {self.window_start} to {self.window_end}"
