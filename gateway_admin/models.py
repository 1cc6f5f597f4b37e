"""The people who use the console."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What somebody may do: an administrator changes things, an operator reads."""

    ADMINISTRATOR = "administrator", _("Administrator")
    OPERATOR = "operator", _("Operator")


class User(AbstractUser):
    """Somebody who signs in. The least right is the default."""

    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.OPERATOR)

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def is_administrator(self) -> bool:
        """Whether this person may change things."""
        return self.role == Role.ADMINISTRATOR
