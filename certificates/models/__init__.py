"""The rows: fields and constraints, no input or output."""

from __future__ import annotations

from certificates.models.account import Account
from certificates.models.certificate import Certificate, Origin
from certificates.models.event import Event, Level
from certificates.models.gateway import CertificateSource, Gateway
from certificates.models.heartbeat import Component, Heartbeat
from certificates.models.issuance import Issuance, Stage, StageState, Trigger
from certificates.models.order import Order, OrderStatus

__all__ = [
    "Account",
    "Certificate",
    "CertificateSource",
    "Component",
    "Event",
    "Gateway",
    "Heartbeat",
    "Issuance",
    "Level",
    "Order",
    "OrderStatus",
    "Origin",
    "Stage",
    "StageState",
    "Trigger",
]
