"""Files that another tool renews and that a gateway's manual certificate follows."""

from __future__ import annotations

from django.db import models


class FollowedFiles(models.Model):
    """Where the files are, what they were when they were last looked at, and what came of it.

    The paths are below the directories that the machine's owner has allowed; that is looked at
    each time, because the owner may change it.
    """

    gateway = models.OneToOneField(
        "certificates.Gateway", on_delete=models.CASCADE, related_name="followed_files"
    )
    certificate_path = models.CharField(max_length=1000)
    key_path = models.CharField(
        max_length=1000, blank=True, help_text="Empty when the key is in the certificate's file."
    )
    signature = models.CharField(
        max_length=200, blank=True, help_text="Tells the files' present state from another."
    )
    certificate = models.ForeignKey(
        "certificates.Certificate",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The newest version that came from the files.",
    )
    problem_facts = models.JSONField(
        null=True, blank=True, help_text="Why what is in the files now cannot be used."
    )
    checked_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.certificate_path
