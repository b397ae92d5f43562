"""Workflows: paths in, dataclasses out. What the command line, and anybody else, calls."""

from recessive.workflows.audit import AuditReport, audit_photos
from recessive.workflows.measure import TrainReport, evaluate_checkpoint
from recessive.workflows.protect import Failure, Protector, ProtectReport, protect_photos
from recessive.workflows.searchers import searchers
from recessive.workflows.settings import ProtectSettings, SettingsError
from recessive.workflows.train import train_encoder
from recessive.workflows.train_settings import TrainSettings

__all__ = [
    "AuditReport",
    "Failure",
    "ProtectReport",
    "ProtectSettings",
    "Protector",
    "SettingsError",
    "TrainReport",
    "TrainSettings",
    "audit_photos",
    "evaluate_checkpoint",
    "protect_photos",
    "searchers",
    "train_encoder",
]
