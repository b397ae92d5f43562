"""Workflows: paths in, dataclasses out. What the command line, and anybody else, calls."""

from recessive.reports.protect_report import ProtectReport
from recessive.workflows.audit import AuditReport, audit_photos
from recessive.workflows.private_query import PrivateQueryReport, QueryResults, make_private_query
from recessive.workflows.protect import Failure, protect_file, protect_photos
from recessive.workflows.protector import Protected, Protector, protect_photo
from recessive.workflows.train import TrainReport, evaluate_checkpoint, train_encoder

__all__ = [
    "AuditReport",
    "Failure",
    "PrivateQueryReport",
    "ProtectReport",
    "Protected",
    "Protector",
    "QueryResults",
    "TrainReport",
    "audit_photos",
    "evaluate_checkpoint",
    "make_private_query",
    "protect_file",
    "protect_photo",
    "protect_photos",
    "train_encoder",
]
