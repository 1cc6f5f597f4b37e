"""From a Problem to the step of the guidance that it is about."""

from __future__ import annotations

from django import template

from certificates.policy.guidance_steps import anchor_of

register = template.Library()


@register.filter
def guidance_anchor(code: str) -> str:
    """The anchor of that step; empty where no step is about a Problem of this code."""
    return anchor_of(str(code))
