"""Workflows: paths in, dataclasses out. What the command line, the service and anybody else call.

- `protector` protects one photo: a `Protector` loads a method, its surrogates and the searchers once, and
  `protect_photo` turns a decoded photo into the bytes of a file and a report. It knows no paths and keeps no records.
- `protect` protects files into a folder: it plans the outputs, skips what a record says is done, writes files whole,
  and goes on when a photo fails. `watching` and the service build on the same two modules.
- `method_runner` is the part that protection shares with `private_query`: a method with its surrogates, run on a
  coarse grid and enlarged. `samples` reads the photos that the owner gives a method to learn from, or as targets.
- `audit` searches with an original for a protected photo, whoever made it.
- `train` trains a hash network and measures its checkpoint.

Options come from `recessive.options`, searchers by name from `recessive.searchers`, and results are dataclasses with a
JSON form. Read `protector` first.
"""

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
