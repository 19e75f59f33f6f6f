"""Evaluation sets that training data must stay clear of: declared once, loaded as texts.

`eval_sets.yaml` names the benchmarks and suites; `load(["default"])` gives their texts.
"""

from curation.eval_sets.declarations import Declaration, benchmarks, declared, suites
from curation.eval_sets.load import Loaded, NotCompared, load
from curation.eval_sets.texts import KINDS, EvalSet, EvalText, Kind, eval_set_from_prompts

__all__ = [
    "KINDS",
    "Declaration",
    "EvalSet",
    "EvalText",
    "Kind",
    "Loaded",
    "NotCompared",
    "benchmarks",
    "declared",
    "eval_set_from_prompts",
    "load",
    "suites",
]
