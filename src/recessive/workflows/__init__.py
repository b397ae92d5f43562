"""Workflows: paths in, dataclasses out. What the command line, and anybody else, calls."""

from recessive.workflows.audit import AuditReport, audit_photos
from recessive.workflows.protect import Failure, Protector, ProtectReport, protect_photos
from recessive.workflows.searchers import searchers
from recessive.workflows.settings import ProtectSettings, SettingsError

__all__ = [
    "AuditReport",
    "Failure",
    "ProtectReport",
    "ProtectSettings",
    "Protector",
    "SettingsError",
    "audit_photos",
    "protect_photos",
    "searchers",
]
