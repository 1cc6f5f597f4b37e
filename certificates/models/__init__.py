"""The rows: fields and constraints, no input or output."""

from __future__ import annotations

from certificates.models.account import Account
from certificates.models.backoff import Backoff
from certificates.models.certificate import Certificate, Origin
from certificates.models.certificate_request import CertificateRequest
from certificates.models.clock import LastSeen
from certificates.models.directory import Directory
from certificates.models.event import Event, Level
from certificates.models.followed_files import FollowedFiles
from certificates.models.gateway import CertificateSource, Gateway
from certificates.models.heartbeat import Component, Heartbeat
from certificates.models.issuance import Issuance, Stage, StageState, Trigger
from certificates.models.limit_use import LimitUse
from certificates.models.order import Order, OrderStatus
from certificates.models.pause import Pause
from certificates.models.preflight import Preflight
from certificates.models.renewal_information import RenewalInformation

__all__ = [
    "Account",
    "Backoff",
    "Certificate",
    "CertificateRequest",
    "CertificateSource",
    "Component",
    "Directory",
    "Event",
    "FollowedFiles",
    "Gateway",
    "Heartbeat",
    "Issuance",
    "LastSeen",
    "Level",
    "LimitUse",
    "Order",
    "OrderStatus",
    "Origin",
    "Pause",
    "Preflight",
    "RenewalInformation",
    "Stage",
    "StageState",
    "Trigger",
]
