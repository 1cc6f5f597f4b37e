"""One use of one of the CA's rate limits: our own ledger, from our own orders."""

from __future__ import annotations

from django.db import models

from certificates.policy.limits import Limit


class LimitUse(models.Model):
    """Written with the order or the failure that it counts; deleted once its window is over."""

    directory_url = models.URLField(max_length=500)
    limit = models.CharField(max_length=32, choices=[(limit.value, limit.value) for limit in Limit])
    subject = models.CharField(
        max_length=253, blank=True, help_text="A name, a domain or a set of names; else empty."
    )
    order = models.ForeignKey(
        "certificates.Order",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="limit_uses",
    )
    at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=("directory_url", "limit", "subject", "at")),
            models.Index(fields=("at",)),
        )

    def __str__(self) -> str:
        return f"{self.limit} {self.subject}: {self.at.isoformat()}"
