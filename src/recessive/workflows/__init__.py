"""Workflows: paths in, dataclasses out. What the command line, and anybody else, calls."""

from recessive.workflows.audit import AuditReport, audit_photos
from recessive.workflows.contact_sheet import contact_sheet
from recessive.workflows.index import IndexReport, index_photos
from recessive.workflows.insight import Insight, look
from recessive.workflows.measure import TrainReport, evaluate_checkpoint
from recessive.workflows.passing import passes
from recessive.workflows.private_query import PrivateQueryReport, QueryResults, make_private_query
from recessive.workflows.protect import Failure, Protector, ProtectReport, protect_photos
from recessive.workflows.search import PhotoIndex, SearchReport, SearchResult, search_index
from recessive.workflows.searchers import searchers
from recessive.workflows.settings import PrivateQuerySettings, ProtectSettings, SettingsError
from recessive.workflows.train import train_encoder
from recessive.workflows.train_settings import TrainSettings
from recessive.workflows.watch import watch_photos
from recessive.workflows.watched_photo import Watched

__all__ = [
    "AuditReport",
    "Failure",
    "IndexReport",
    "Insight",
    "PhotoIndex",
    "PrivateQueryReport",
    "PrivateQuerySettings",
    "ProtectReport",
    "ProtectSettings",
    "Protector",
    "QueryResults",
    "SearchReport",
    "SearchResult",
    "SettingsError",
    "TrainReport",
    "TrainSettings",
    "Watched",
    "audit_photos",
    "contact_sheet",
    "evaluate_checkpoint",
    "index_photos",
    "look",
    "make_private_query",
    "passes",
    "protect_photos",
    "search_index",
    "searchers",
    "train_encoder",
    "watch_photos",
]
