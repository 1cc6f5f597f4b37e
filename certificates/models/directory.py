"""What is known of a CA's directory (RFC 8555 §7.1.1): what it offers and whether it answers."""

from __future__ import annotations

from django.db import models


class Directory(models.Model):
    """One row for each directory URL that has been asked. Times in UTC.

    ``away_since`` to ``returned_at`` are the circuit breaker; ``next_order_at`` paces new orders
    after an absence. What the CA offers is kept, so that no page has to wait for the CA.
    """

    url = models.URLField(max_length=500, unique=True)
    profiles = models.JSONField(default=dict, blank=True, help_text="Descriptions by name.")
    caa_identities = models.JSONField(
        default=list, blank=True, help_text="By which it is named in CAA records (RFC 8659)."
    )
    has_renewal_information = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When it last answered.")
    away_since = models.DateTimeField(null=True, blank=True)
    next_probe_at = models.DateTimeField(null=True, blank=True)
    failed_probes = models.PositiveIntegerField(default=0)
    returned_at = models.DateTimeField(null=True, blank=True)
    next_order_at = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True, help_text="What the last failed attempt said.")

    class Meta:
        verbose_name_plural = "directories"

    def __str__(self) -> str:
        return self.url
