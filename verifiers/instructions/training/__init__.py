"""The 29 constraints that open-instruct adds to IFEval for training (IFEvalG; arXiv 2507.02833, appendix).

`functions` holds two checks of its older function set, which have published cases of their own.
"""

from verifiers.instructions.training import copying, counts, edges, functions, keywords, layout

__all__ = ["copying", "counts", "edges", "functions", "keywords", "layout"]
