"""Instruction following: what a prompt asked for, checked by program.

The suites are the 25 instruction types of IFEval (arXiv 2311.07911), the 58 constraints of IFBench and the
29 training constraints that come with it (arXiv 2507.02833). `check` asks about one instruction, `check_all`
about a prompt's list, `check_rows` about a data set. Importing this package registers every instruction.
"""

from verifiers.instructions import ifbench, ifeval, training
from verifiers.instructions.base import (
    INSTRUCTIONS,
    BadArguments,
    Instruction,
    Mode,
    UnknownInstruction,
    build,
)
from verifiers.instructions.scoring import (
    Checked,
    Scores,
    check,
    check_all,
    check_rows,
    loose_variants,
    scores,
)

__all__ = [
    "INSTRUCTIONS",
    "BadArguments",
    "Checked",
    "Instruction",
    "Mode",
    "Scores",
    "UnknownInstruction",
    "build",
    "check",
    "check_all",
    "check_rows",
    "ifbench",
    "ifeval",
    "loose_variants",
    "scores",
    "training",
]
