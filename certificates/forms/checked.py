"""What the forms that configure share, and the network's form; checking.py decides about them."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates import configuring
from certificates.configuring import Accepted, ConfigurationRejected, Wishes
from challenges.models import NetworkScenario, NetworkSettings
from challenges.problems import Problem


def sentence(problem: Problem) -> str:
    """A Problem as the text beside a field."""
    return " ".join((problem.explanation, *problem.remedy))


class CheckedForm(forms.Form):
    """Puts what was typed before the judge and his answers beside the fields."""

    use_required_attribute = False

    def __init__(
        self, gateway_slug: str, now: datetime.datetime, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.gateway_slug = gateway_slug
        self.now = now
        self.accepted: Accepted | None = None

    def wishes(self) -> Wishes:
        """What was typed."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        """Ask whether it can be configured."""
        try:
            self.accepted = configuring.check(self.slug_wanted(), self.wishes(), now=self.now)
        except ConfigurationRejected as rejection:
            self.reject(rejection)
        return self.cleaned_data

    def slug_wanted(self) -> str:
        """The short name of the gateway that is concerned; empty when none is."""
        return self.gateway_slug

    def reject(self, rejection: ConfigurationRejected) -> None:
        """Say at each field why not, unless something has been said there already."""
        for field, problem in rejection.errors.items():
            if field not in self.errors:
                self.add_error(field if field in self.fields else None, sentence(problem))

    def store(self, by: str) -> configuring.Configured | None:
        """Store what was accepted; None, with the reason at its field, when that fails."""
        if not self.is_valid() or self.accepted is None:
            return None
        try:
            return configuring.store(self.accepted, now=self.now, by=by)
        except ConfigurationRejected as rejection:
            self.reject(rejection)
            return None


def scenario_field() -> forms.ChoiceField:
    """The contract's two scenarios."""
    return forms.ChoiceField(
        label=_("Network scenario"),
        choices=NetworkScenario.choices,
        widget=forms.RadioSelect,
        help_text=_("Where the gateway's computer stands, seen from the internet."),
        error_messages={"required": _("Choose where the gateway's computer stands.")},
    )


def port_field() -> forms.CharField:
    """The challenge port, as text: what is not a number is to be seen again."""
    return forms.CharField(
        label=_("Let's Encrypt HTTP-01 challenge port"),
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "off", "size": 6, "maxlength": 20}
        ),
        help_text=_(
            "The TCP port of this machine to which connections to port 80 of the public address "
            "arrive."
        ),
        error_messages={"required": _("Enter a port, a number from 1 to 65535.")},
    )


class NetworkSettingsForm(CheckedForm):
    """The scenario and the challenge port, which all gateways of this console share."""

    network_scenario = scenario_field()
    challenge_port = port_field()

    def __init__(self, now: datetime.datetime, *arguments: Any, **options: Any) -> None:
        network = NetworkSettings.load()
        initial = {
            "network_scenario": network.scenario,
            "challenge_port": network.challenge_port,
        }
        super().__init__("", now, *arguments, initial=initial, **options)

    def wishes(self) -> Wishes:
        """The network's part alone."""
        return Wishes(
            network_scenario=self.cleaned_data.get("network_scenario"),
            challenge_port=self.cleaned_data.get("challenge_port"),
        )
