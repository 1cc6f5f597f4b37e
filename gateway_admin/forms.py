"""The forms about people: who signs in, who is added, whose password changes."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
)
from django.utils.translation import gettext_lazy as _

from gateway_admin.models import User


class SignInForm(AuthenticationForm):
    """Name and password."""

    use_required_attribute = False
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("This name and password do not belong together. Mind capital letters."),
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["username"].label = _("Name")
        self.fields["username"].error_messages["required"] = _("Enter your name.")
        self.fields["password"].error_messages["required"] = _("Enter your password.")


class _NewUserForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """A name and a password, twice."""

    use_required_attribute = False

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields: ClassVar[tuple[str, ...]] = ("username",)
        labels = {"username": _("Name")}
        help_texts = {"username": _("Letters, digits and @ . + - _ are allowed.")}
        error_messages = {
            "username": {
                "required": _("Enter a name."),
                "unique": _("There is somebody with this name already."),
            }
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["password1"].help_text = _("Twelve characters or more; a sentence is best.")
        self.fields["password1"].error_messages["required"] = _("Enter a password.")
        self.fields["password2"].label = _("Password, again")
        self.fields["password2"].help_text = _("The same once more, against mistyping.")
        self.fields["password2"].error_messages["required"] = _("Enter the password once more.")


class FirstAdministratorForm(_NewUserForm):
    """The first run's account."""


class UserForm(_NewUserForm):
    """An account with its role."""

    class Meta(_NewUserForm.Meta):
        fields: ClassVar[tuple[str, ...]] = ("username", "role")
        help_texts = {
            **_NewUserForm.Meta.help_texts,
            "role": _("An Administrator changes things; an Operator only reads."),
        }
        widgets = {"role": forms.RadioSelect}


class OwnPasswordForm(PasswordChangeForm):
    """One's own new password."""

    use_required_attribute = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["old_password"].label = _("Present password")
        self.fields["old_password"].help_text = _("The one you signed in with.")
        self.fields["new_password1"].help_text = _("Twelve characters or more; a sentence is best.")
        self.fields["new_password2"].label = _("New password, again")
        self.fields["new_password2"].help_text = _("The same once more, against mistyping.")
