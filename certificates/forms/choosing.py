"""The choice of a gateway, and the filter of the log that is built on it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates.models import Gateway, Level

# More gateways than this are not a list to choose from but a name to type.
MOST_TO_CHOOSE_FROM = 100


def gateway_field(*, required: bool, help_text: str) -> forms.CharField | forms.ChoiceField:
    """A choice of gateways, or their short name to type where they are too many to list."""
    known = Gateway.objects.order_by("hostname").values_list("slug", "hostname")
    some = list(known[: MOST_TO_CHOOSE_FROM + 1])
    if len(some) > MOST_TO_CHOOSE_FROM:
        return forms.CharField(
            label=_("Gateway"),
            required=required,
            help_text=help_text,
            error_messages={"required": _("Enter the gateway's short name.")},
        )
    return forms.ChoiceField(
        label=_("Gateway"),
        required=required,
        help_text=help_text,
        choices=[*([] if required else [("", _("All"))]), *some],
        error_messages={
            "required": _("Choose a gateway."),
            "invalid_choice": _("There is no gateway with the short name “%(value)s”."),
        },
    )


class GatewayChoiceForm(forms.Form):
    """A form with a field ``gateway``, which the subclass makes by :func:`gateway_field`."""

    def clean_gateway(self) -> Gateway | None:
        """The gateway of that short name; None when none was chosen."""
        slug = str(self.cleaned_data["gateway"])
        if not slug:
            return None
        gateway = Gateway.objects.filter(slug=slug).first()
        if gateway is None:
            raise forms.ValidationError(
                _("There is no gateway with the short name “%(value)s”."), params={"value": slug}
            )
        return gateway


class LogFilterForm(GatewayChoiceForm):
    """Which lines of the log are wanted."""

    level = forms.ChoiceField(
        label=_("Level"),
        required=False,
        choices=[("", _("All")), *Level.choices],
        help_text=_("Only lines of this kind."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["gateway"] = gateway_field(
            required=False, help_text=gettext("Only lines about this gateway.")
        )
        self.order_fields(["gateway", "level"])
