"""Label-integrity checks of finished sets: the ways in which published pipelines have made wrong labels.

`audit` compares sets of ours with the tables that they were made from; `files.audit_files` reads any set in
any format of `curation.formats` as a stream. Both name what they found where; they repair nothing. The
builders in `curation` cannot make what is an error here, so one in a set of ours means that it was edited,
converted, or made elsewhere. `catalogue` has all checks with their meaning and remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curation.audit.auditor import NOTHING, Auditor
from curation.audit.joins import Sources
from curation.audit.report import Finding, Found, Report
from curation.audit.splits import audit_split
from curation.audit.tokens import Tokens

__all__ = [
    "Auditor",
    "Finding",
    "Found",
    "Report",
    "Sources",
    "Tokens",
    "audit",
    "audit_split",
]


def audit(datasets: Mapping[str, pl.DataFrame], sources: Sources = NOTHING) -> list[Finding]:
    """Every error in the sets of `datasets`, whose names are preference, ranking, outcome, stepwise."""
    found: list[Finding] = []
    for name, frame in sorted(datasets.items()):
        auditor = Auditor(name, name, sources, examples=None)
        auditor.add(frame)
        found += [one for one in auditor.close().findings() if one.severity == "error"]
    return found
