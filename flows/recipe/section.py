"""What every section of a recipe is: a pydantic model that refuses keys it does not have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")
