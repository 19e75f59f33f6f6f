"""Find the program in a completion.

Cutting a text into code blocks is cheap. Choosing among them means parsing them, and Python's parser can take
minutes over a hostile text, so `verifiers.code` leaves the choice to its judge process.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence

MAX_BLOCKS = 16  # the last ones of a completion are looked at

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_UNPARSEABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def extract_code(completion: str, prompt: str = "", entry_point: str | None = None) -> str | None:
    """The program in a completion, with what a prompt that is Python defines before it; None for nothing."""
    blocks = code_blocks(completion)
    return choose_program(blocks, prompt, entry_point) if blocks else None


def code_blocks(completion: str) -> list[str]:
    """The last code blocks that are not empty, last first; a completion without any is one itself."""
    from verifiers.extraction import final_words  # not for the judge, which starts for each program

    answer = final_words(completion) or ""
    blocks = [match[1] for match in _FENCE.finditer(answer)] or [answer]
    return [block for block in reversed(blocks) if block.strip()][:MAX_BLOCKS]


def choose_program(blocks: Sequence[str], prompt: str = "", entry_point: str | None = None) -> str:
    """With an `entry_point` the first block that defines it, else the first that is its body; else the first.

    What does not parse is taken as it is: the program is there, and it is wrong.
    """
    if entry_point is None:
        return blocks[0]
    head = prompt if parses(prompt) else ""
    lead = head if not head or head.endswith("\n") else f"{head}\n"
    whole = (lead + block for block in blocks if parses(block) and _definition(block, entry_point))
    bodies = (program for block in blocks for program in _continued(lead, block))
    nothing = (None, _definition(head, entry_point))  # or no more than the prompt had of it
    for programs in (whole, bodies):
        for program in programs:
            if parses(program) and _definition(program, entry_point) not in nothing:
                return program
    return lead + blocks[0]


def parses(source: str) -> bool:
    """`source` is Python, and not nothing."""
    try:
        return bool(ast.parse(source).body)
    except _UNPARSEABLE:
        return False


def _continued(lead: str, block: str) -> list[str]:
    """The block as what follows the prompt, also where a chat model has taken the indentation off a body."""
    return [lead + block, f"{lead}{textwrap.indent(textwrap.dedent(block), '    ')}"] if lead else []


def _definition(program: str, name: str) -> str | None:
    """The source of the last statement that defines `name`."""
    found = [node for node in ast.parse(program).body if name in _defined(node)]
    return ast.get_source_segment(program, found[-1]) if found else None


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    return []
