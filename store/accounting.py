"""Row accounting: rows in = rows kept + rows rejected, each for a named reason.

A stage that cannot say where every row went has a bug that would show up as a silently
smaller data set, so closing an account that does not add up raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class AccountingError(RuntimeError):
    """A stage lost or invented rows."""


@dataclass
class Account:
    stage: str
    rows_in: int
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def keep(self, n: int = 1) -> None:
        self.kept += _count(n)

    def reject(self, reason: str, n: int = 1) -> None:
        if _count(n):
            self.rejected[reason] = self.rejected.get(reason, 0) + n

    def close(self) -> Account:
        """Check the sum; returns the account, so that a stage may end in `return frame, account.close()`."""
        difference = self.rows_in - self.kept - sum(self.rejected.values())
        if difference:
            what = f"{difference:,} rows vanished" if difference > 0 else f"{-difference:,} rows too many"
            raise AccountingError(f"accounts do not add up, {what}: {self.line()}")
        return self

    def line(self) -> str:
        """`pairs 4,812 kept 4,320 ties 431 unparsed 61`: the commonest reason first."""
        reasons = sorted(self.rejected.items(), key=lambda item: (-item[1], item[0]))
        return " ".join(
            [f"{self.stage} {self.rows_in:,} kept {self.kept:,}", *(f"{r} {n:,}" for r, n in reasons)]
        )

    def to_dict(self) -> dict[str, Any]:
        rejected = dict(sorted(self.rejected.items()))
        return {"stage": self.stage, "in": self.rows_in, "out": self.kept, "rejected": rejected}

    @classmethod
    def from_dict(cls, counts: dict[str, Any]) -> Account:
        return cls(counts["stage"], counts["in"], counts["out"], dict(counts["rejected"]))


def _count(n: int) -> int:
    if n < 0:
        raise AccountingError(f"cannot count {n} rows")
    return n
