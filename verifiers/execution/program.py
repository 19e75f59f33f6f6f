"""Find the program in a completion.

Cutting a text into code blocks is cheap. Choosing among them means parsing them, and Python's parser can take
minutes over a hostile text, so `verifiers.code` leaves the choice to its judge process.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterable, Sequence

MAX_BLOCKS = 16  # the last ones of a completion are looked at

_FENCE = re.compile(
    r"^([ \t]*)((?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(?![`~])([^\n`]*)\n(.*?)(?:^[ \t]*\3|\Z)",
    re.DOTALL | re.MULTILINE,
)
_LANGUAGE = re.compile(r"\w*")
_PYTHON = ("", "python", "python3", "py", "py3")
_UNPARSEABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign)
_INPUT = frozenset({"input", "stdin"})


def code_blocks(completion: str) -> list[str]:
    """The last code blocks that are not empty, last first; a completion without any is one itself.

    Blocks of another language count only where there are no others.
    """
    from verifiers.extraction import final_words  # not for the judge, which starts for each program

    answer = final_words(completion) or ""
    fences = [match.groups("") for match in _FENCE.finditer(answer)]
    found = [
        (_LANGUAGE.match(info.strip(" \t{.").lower())[0], _outdented(body, len(indent + marker)))  # type: ignore[index]
        for indent, marker, _, info, body in fences
    ]
    blocks = [body for language, body in found if language in _PYTHON and body.strip()]
    blocks = blocks or [body for _, body in found] or [answer]
    return [block for block in reversed(blocks) if block.strip()][:MAX_BLOCKS]


def choose_program(
    blocks: Sequence[str], prompt: str = "", entry_point: str | None = None, names: Iterable[str] = ()
) -> str:
    """The block that defines the `entry_point` or its body, else most of `names`; the first of equals.

    Without names to define, the block that reads input. Blocks that hold no more than values are examples of
    output. What the program uses and does not define is taken from the other blocks. What does not parse is
    taken as it is: the program is there, and it is wrong.
    """
    wanted = {entry_point} if entry_point else set(names)
    program = _implementation(blocks, prompt, entry_point) if entry_point else _best(blocks, wanted)
    return _with_helpers(program, blocks, wanted) if parses(program) else program


def called_names(sources: Iterable[str]) -> set[str]:
    """What tests use and neither define themselves nor have from Python."""
    used: set[str] = set()
    bound = set(dir(builtins))
    for source in sources:
        loaded, stored = _names(ast.parse(source))
        used |= loaded
        bound |= stored
    return used - bound


def _outdented(body: str, width: int) -> str:
    """The lines of a block without the indentation of its fence."""
    lines = body.splitlines(keepends=True)
    return "".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)


def _best(blocks: Sequence[str], names: set[str]) -> str:
    readable = [block for block in blocks if parses(block)]
    if not readable:
        return blocks[0]

    def fitness(block: str) -> int:
        loaded, stored = _names(ast.parse(block))
        return len(names & stored) if names else bool(_INPUT & loaded)

    return max([block for block in readable if not _is_output(block)] or readable, key=fitness)


def _is_output(block: str) -> bool:
    """Nothing but values: what a program printed, not a program."""
    body = ast.parse(block).body
    calls = (node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call))
    return all(isinstance(statement, ast.Expr) for statement in body) and not any(calls)


def _with_helpers(program: str, blocks: Sequence[str], names: set[str]) -> str:
    """The program behind those other blocks of definitions that it cannot do without."""
    for block in blocks:
        loaded, stored = _names(ast.parse(program))
        missing = (loaded | names) - stored - set(dir(builtins))
        if missing and parses(block):
            body = ast.parse(block).body
            if all(isinstance(node, _DEFINITIONS) for node in body) and missing & set(_bound(body)):
                program = f"{block}\n{program}"
    return program


def _bound(body: Sequence[ast.stmt]) -> list[str]:
    return [name for statement in body for name in _defined(statement)]


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names and attributes that are read, and names that are bound, anywhere in it."""
    loaded: set[str] = set()
    stored: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else stored).add(node.id)
        elif isinstance(node, ast.Attribute):
            loaded.add(node.attr)
        elif isinstance(node, ast.arg):
            stored.add(node.arg)
        elif isinstance(node, ast.stmt):
            stored.update(_defined(node))
    return loaded, stored


def _implementation(blocks: Sequence[str], prompt: str, entry_point: str) -> str:
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
