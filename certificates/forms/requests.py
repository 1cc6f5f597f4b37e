"""The forms of certificate requests: what a new one asks for, and the CA's answer to it."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from certificates import applying
from certificates.forms.checked import sentence
from certificates.forms.choosing import GatewayChoiceForm, gateway_field
from certificates.forms.uploads import CertificateFilesForm, Stored
from certificates.models import CertificateRequest, Gateway
from certificates.policy.keys import KeyType
from challenges.problems import ProblemError

_PLAIN = {"autocomplete": "off"}
_PARTICULARS = tuple(field.name for field in dataclasses.fields(applying.Subject))


class SelfSignedForm(GatewayChoiceForm):
    """For which gateway a certificate is made that this console signs itself."""

    use_required_attribute = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["gateway"] = gateway_field(
            required=True, help_text=gettext("The certificate gets all names of this gateway.")
        )


class RequestForm(GatewayChoiceForm):
    """What the certificate is to say; the key is made once this is accepted."""

    use_required_attribute = False

    names = forms.CharField(
        label=_("Names"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_(
            "One per line or separated by commas, the hostname first; left empty, all names of "
            "the gateway."
        ),
    )
    key_type = forms.ChoiceField(
        label=_("Key type"),
        choices=[(key_type.value, key_type.label) for key_type in KeyType],
        help_text=_("Every CA takes RSA 2048 and ECDSA P-256."),
        error_messages={"required": _("Choose a key type.")},
    )
    organization = forms.CharField(
        label=_("Organization"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        help_text=_("Its full legal name, if the CA is to check and certify it."),
    )
    organizational_unit = forms.CharField(
        label=_("Organizational unit"),
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text=_("Public CAs leave it out today; some private ones ask for it."),
    )
    locality = forms.CharField(
        label=_("Locality"),
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text=_("The town of the organization's seat."),
    )
    state = forms.CharField(
        label=_("State or province"),
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text=_("Written out, such as Bavaria."),
    )
    country = forms.CharField(
        label=_("Country"),
        required=False,
        widget=forms.TextInput(attrs={**_PLAIN, "maxlength": 2, "size": 2}),
        help_text=_("Its code of two letters, such as DE."),
    )
    email = forms.CharField(
        label=_("Email"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=_("Stands in the request only if you enter it; few CAs want it."),
    )

    def __init__(self, gateway: Gateway | None, *arguments: Any, **options: Any) -> None:
        initial = {} if gateway is None else _initial(gateway)
        super().__init__(*arguments, **{"initial": initial} | options)
        self.fields["gateway"] = gateway_field(
            required=True, help_text=gettext("The gateway that the certificate will be for.")
        )
        self.order_fields(["gateway"])

    def store(self, now: datetime.datetime, by: str) -> CertificateRequest | None:
        """The request with its new key; None, with the reasons at their fields, when refused."""
        typed = self.cleaned_data
        subject = applying.Subject(**{field: typed[field] for field in _PARTICULARS})
        try:
            return applying.create(
                typed["gateway"], [typed["names"]], typed["key_type"], subject, now, by
            )
        except applying.RequestRejectedError as rejection:
            for field, problem in rejection.errors.items():
                self.add_error(field, sentence(problem))
        except ProblemError as error:
            self.add_error(None, sentence(error.problem))
        return None


class AnswerForm(CertificateFilesForm):
    """The certificate that a CA has issued for a request."""

    def __init__(self, answered: CertificateRequest, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answered = answered
        self.fields["certificate_files"].help_text = gettext(
            "What the CA has sent: the certificate and its chain, in any form, in one file or in "
            "several. The private key is here already."
        )

    def store(self, now: datetime.datetime, by: str) -> Stored | None:
        """The certificate with the request's key; None when it is refused."""
        return self.attempt(lambda: applying.answer(self.answered, self.contents(), now, by))


def _initial(gateway: Gateway) -> dict[str, str]:
    return {
        "gateway": gateway.slug,
        "names": "\n".join(gateway.names),
        "key_type": gateway.key_type,
    }
