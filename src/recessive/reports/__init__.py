"""Reports: what is told about a protected photo.

Everything here compares two photos, the original and the protected photo as it was read again from its file, and makes
no difference between methods of protection.

- `ProtectReport` is the report of one photo: how close it is to the original (`fidelity`), what each encoder finds, and
  the verdict in plain words. It is what `recessive protect` prints and the HTTP API returns. `may_be_released` decides
  from it whether a watched folder or a delivery passes the photo on.
- `Insight`, made by `explain`, shows the owner the reasons: which parts of the photo an encoder recognises, and the
  first results of a search, before and after.
- `contact_sheet` draws both as one picture.

Start with `protect_report.py`. What encoders find is measured in `recessive.exposure`.
"""

from recessive.reports.contact_sheet import contact_sheet
from recessive.reports.insight import Heat, Insight, Result, Search, explain
from recessive.reports.protect_report import (
    Fidelity,
    ProtectReport,
    ReleaseRule,
    fidelity,
    may_be_released,
    report_from_json,
)

__all__ = [
    "Fidelity",
    "Heat",
    "Insight",
    "ProtectReport",
    "ReleaseRule",
    "Result",
    "Search",
    "contact_sheet",
    "explain",
    "fidelity",
    "may_be_released",
    "report_from_json",
]
