"""`flows verifiers`: what a recipe's `verify` section can name, and the ids of checkable instructions."""

from __future__ import annotations

import argparse

from verifiers.builtin import BUILT_IN
from verifiers.registry import option_names

OWN = """FILE.py:FUNCTION
    your own: def FUNCTION(reference, text, options) returns True, False, a status, or a Verdict
    verifiers: [{use: checks/units.py:same_unit, when: [answer]}]
    reference is a dict: prompt, answer, constraints, tests, schema, choices (text or None), truncated
    it runs in the process of the run: verify.deadline does not end a loop in it"""


def list_verifiers(args: argparse.Namespace) -> int:
    if args.what == "instructions":
        return _list_instructions()
    for name, entry in BUILT_IN.items():
        reads = f"reads {', '.join(entry.needs)}" if entry.needs else "reads the completion alone"
        options = f"; options {', '.join(option_names(name))}" if option_names(name) else ""
        print(f"{name}\n    {entry.description}\n    {reads}{options}\n    {entry.example}")
    print(OWN)
    print(
        "\nThe examples go under `verify:`. Without them a prompt is judged by every verifier whose "
        "fields it has\n(regex, length and your own must be named). Where several apply, all must hold."
    )
    return 0


def _list_instructions() -> int:
    from dataclasses import MISSING, fields

    from verifiers.instructions import INSTRUCTIONS

    for name, kind in sorted(INSTRUCTIONS.items(), key=lambda item: (item[1].suite, item[0])):
        arguments = [
            f.name if f.default is MISSING and f.default_factory is MISSING else f"{f.name}=..."
            for f in fields(kind)
        ]
        print(f"{kind.suite:12}  {name}  {' '.join(arguments)}".rstrip())
    return 0
