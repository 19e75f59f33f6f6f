"""At most so many of a kind: completions of a prompt, prompts of a domain.

Which ones stay follows from a hash of the ids (of prompts: with the run's seed), not from the order of rows,
and adding a row moves at most one other out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from curation.filters.funnel import Check
from store.ids import content_id

OTHERS = "*"  # the quota of every group that has none of its own


def at_most(ids: Sequence[str], kinds: Sequence[Any], limit: int | None) -> list[str]:
    """The ids (of one prompt) that stay, each kind (label, score) in turn, so that none crowds out another.

    The members of a kind, and the kinds among themselves, come in the order of a hash. All of them where
    `limit` is None.
    """
    if limit is None or len(ids) <= limit:
        return list(ids)
    marks = {one: content_id("choice", one) for one in ids}
    members: dict[Any, list[str]] = defaultdict(list)
    for one, kind in sorted(zip(ids, kinds, strict=True), key=lambda pair: marks[pair[0]]):
        members[kind].append(one)
    turns = [(turn, marks[found[0]], one) for found in members.values() for turn, one in enumerate(found)]
    kept = {one for *_, one in sorted(turns)[:limit]}
    return [one for one in ids if one in kept]


def over_quota(ids: pl.Series, groups: pl.Series, quotas: Mapping[str, int], seed: int) -> Check:
    """`over_quota`: rows beyond the quota of their group; a group without one, and without that of OTHERS,
    is not limited. A null group is limited by OTHERS alone."""
    names = groups.to_list()
    rows: dict[str | None, list[int]] = defaultdict(list)
    for place in sorted(range(len(ids)), key=lambda i: content_id("quota", seed, ids[i])):
        rows[names[place]].append(place)
    over: set[int] = set()
    for name, places in rows.items():
        quota = quotas.get(name if name is not None else OTHERS, quotas.get(OTHERS))
        over.update(places[quota:] if quota is not None else ())
    return Check("over_quota", pl.Series([i in over for i in range(len(ids))], dtype=pl.Boolean))
