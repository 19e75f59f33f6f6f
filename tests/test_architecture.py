"""The rules of the layout: imports point one way, starting is cheap, model text is never executed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "flows": {
        "labelers",
        "verifiers",
        "samplers",
        "curation",
        "trainers",
        "evaluators",
        "data_cards",
        "store",
    },
    "labelers": {"samplers", "verifiers", "store"},
    "verifiers": set(),
    "samplers": {"store"},
    "curation": {"store"},
    "trainers": {"store"},
    "evaluators": {"trainers", "store"},
    "data_cards": {"store", "evaluators"},
    "store": set(),
}
HEAVY = {"torch", "vllm", "transformers", "datasets", "sympy", "openai", "huggingface_hub"}
# Scripts (`python -m`) for the shipped policy, and what only they use; nothing else loads them.
SCRIPTS = {"samplers.policy.train", "samplers.policy.measure", "samplers.policy.forward"}
# Builtins that run text as code, and parsers of sympy that call them.
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr", "parse_latex"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def loaded_by(modules: list[str], watched: set[str], blocked: set[str] = frozenset()) -> dict[str, list[str]]:
    """Import `modules` in turn in a fresh process; which watched packages did each bring in first?"""
    code = (
        "import importlib, json, sys\n"
        "modules, watched, blocked = json.loads(sys.argv[1])\n"
        "sys.modules.update(dict.fromkeys(blocked))\n"  # importing a name that maps to None fails
        "seen, found = set(), {}\n"
        "for module in modules:\n"
        "    importlib.import_module(module)\n"
        "    now = {name for name in watched if sys.modules.get(name)}\n"
        "    if now - seen:\n"
        "        found[module] = sorted(now - seen)\n"
        "    seen |= now\n"
        "print(json.dumps(found))\n"
    )
    arguments = json.dumps([modules, sorted(watched), sorted(blocked)])
    done = subprocess.run(
        [sys.executable, "-c", code, arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    for path in sources(package):
        ours = imported_packages(path) & (set(MAY_IMPORT) | {"tests", "benchmarks"})
        assert ours <= MAY_IMPORT[package] | {package}, (
            f"{path} imports {ours - MAY_IMPORT[package] - {package}}"
        )


def test_importing_a_module_loads_no_heavy_library() -> None:
    ours = {module_name(path) for package in MAY_IMPORT for path in sources(package)}
    light = sorted(name for name in ours - SCRIPTS if not name.startswith("trainers"))
    heavy = HEAVY | SCRIPTS
    assert loaded_by([name for name in light if not name.startswith("flows")], heavy | {"prefect"}) == {}
    # The modules that declare flows and tasks need Prefect's decorators, and nothing else.
    assert loaded_by([name for name in light if name.startswith("flows")], heavy) == {}


def test_the_command_starts_without_any_library() -> None:
    assert (
        loaded_by(["flows.__main__"], HEAVY | {"prefect", "polars", "pydantic", "numpy", "yaml", "rich"})
        == {}
    )


def test_trainers_import_where_only_torch_and_transformers_are() -> None:
    absent = {"polars", "prefect", "vllm", "datasets", "openai", "jinja2", "rich", "aiohttp"}
    loaded_by(
        [module_name(path) for path in sources("trainers") if path.name != "__main__.py"], set(), absent
    )


def test_no_text_is_ever_run_as_code() -> None:
    # The code verifier runs programs in processes of their own: that is its purpose.
    runs_programs = {ROOT / "verifiers" / name for name in ("execution/child.py", "execution/remote.py")}
    for path in {path for package in MAY_IMPORT for path in sources(package)} - runs_programs:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            # As a method `eval` is another thing: `model.eval()`, `pl.Expr.list.eval`; `re.compile` too.
            name = node.func.id if isinstance(node.func, ast.Name) else None
            attribute = node.func.attr if isinstance(node.func, ast.Attribute) else None
            bad = name in RUNS_TEXT or attribute in RUNS_TEXT - {"eval", "compile"}
            assert not bad, f"{path}:{node.lineno} calls {name or attribute}"


def test_every_module_says_what_it_is_for() -> None:
    for path in [path for package in MAY_IMPORT for path in sources(package)]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not tree.body or ast.get_docstring(tree), f"{path} has no module docstring"
