"""`flows audit`: label-integrity checks of the sets of a run, or of any file in a known row format.

Exit codes: 0 no errors, 1 errors found, 2 bad input, 4 the audit itself failed.
"""

from __future__ import annotations

import argparse
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import InputError

if TYPE_CHECKING:
    from curation.audit import Report, Tokens

EXIT_CLEAN, EXIT_ERRORS, EXIT_FAILED = 0, 1, 4
DATA = (".parquet", ".jsonl", ".jsonl.gz", ".json", ".csv")
LONGEST_DETAIL = 200  # characters of a finding that are printed


def audit(args: argparse.Namespace) -> int:
    """Python's own exit code for a traceback is 1, which means errors in the set here."""
    try:
        return _audit(args)
    except (InputError, BrokenPipeError):
        raise
    except Exception:
        traceback.print_exc()
        return EXIT_FAILED


def _audit(args: argparse.Namespace) -> int:
    if args.checks:
        _print_checks()
        return EXIT_CLEAN
    if not args.targets:
        raise InputError("nothing to audit: name a run, a file or a folder (--checks lists the checks)")
    if args.model is None and args.max_tokens is not None:
        raise InputError("--max-tokens counts the tokens of a model; name it with --model")
    if args.max_tokens is not None and args.max_tokens < 1:
        raise InputError(f"--max-tokens {args.max_tokens}: must be at least 1")
    if args.json:
        _check_writable(Path(args.json))
    tokens = _tokens(args.model, args.max_tokens) if args.model else None
    run_dir = _run(args.targets)
    if run_dir:
        if args.read_as:
            raise InputError(f"--from: {run_dir} is a run, its formats are known")
        from flows.audit_run import audit_run

        reports = audit_run(run_dir, tokens)
    else:
        from curation.audit.files import audit_files

        reports = audit_files(_files(args.targets), args.read_as, tokens)
    _print(reports, examples=args.n)
    errors = sum(report.errors for report in reports)
    if args.json:
        from store.files import write_json

        write_json(args.json, {"errors": errors, "reports": [report.to_dict() for report in reports]})
    return EXIT_ERRORS if errors else EXIT_CLEAN


def _run(targets: list[str]) -> Path | None:
    """The run folder, where the one target is a run."""
    if len(targets) > 1:
        return None
    places = (Path(targets[0]), Path("runs") / targets[0])
    return next((path for path in places if (path / "manifest.json").is_file()), None)


def _check_writable(path: Path) -> None:
    """Before the audit, which may take hours."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"--json {path}: no file can be written there")


def _files(targets: list[str]) -> list[Path]:
    """Files as they are named, and the data files of folders."""
    from store.inputs import check_exists

    found: list[Path] = []
    for target in map(Path, targets):
        if target.is_dir():
            inside = sorted(_data_files(target))
            if not inside:
                raise InputError(f"{target}: no run (manifest.json) and no data files ({', '.join(DATA)})")
            found += inside
        else:
            check_exists(target)
            found.append(target)
    return found


def _data_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("[!.]*"):
        if not path.is_file() or not path.name.lower().endswith(DATA):
            continue
        if path.name.lower().endswith(".json") and not _holds_a_list(path):
            print(f"{path}: not audited, it describes something and holds no list of rows")
        else:
            yield path


def _holds_a_list(path: Path) -> bool:
    """Folders of published sets hold descriptions, too, such as dataset_info.json."""
    with open(path, "rb") as file:
        return not file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _tokens(model: str, max_tokens: int | None) -> Tokens:
    """How the trainer's codec reads conversations with the tokenizer of `model`."""
    if model.startswith((".", "/")) and not Path(model).is_dir():  # else it would be looked for on the Hub
        raise InputError(f"--model {model}: no such folder")
    from transformers import AutoTokenizer

    from curation.audit import Tokens
    from trainers.tokenize import Codec

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"--model {model}: no tokenizer can be loaded: {str(error).splitlines()[0]}"
        ) from error
    limit = tokenizer.model_max_length if max_tokens is None else max_tokens
    if not 0 < limit < 10**9:  # transformers' mark of "unknown" is 1e30
        raise InputError(f"--model {model} does not say how many tokens it reads; give --max-tokens N")
    codec = Codec(tokenizer, model)

    def encode(messages: Any, segments: Any) -> tuple[list[int], int, list[int]]:
        found = codec.encode(messages, segments)
        codec.forget()
        return found.ids.tolist(), found.n_prompt, found.ends.tolist()

    def begins(text: str) -> set[int]:
        spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return {start for start, _ in spans}

    return Tokens(encode, begins, limit)


def _print(reports: list[Report], examples: int) -> None:
    for report in reports:
        what = f"  {report.rows:,} rows read as {report.read_as}" if report.read_as else ""
        if report.read != report.rows:
            what += f", {report.read:,} of the {report.table} table"
        print(f"{report.name}{what}")
        if report.also_fits:
            others = ", ".join(report.also_fits)
            print(f"    not all rows could be read; --from names another format: perhaps {others}")
        for name, fact in report.facts.items():
            print(f"    {name.replace('_', ' ')}: " + ", ".join(f"{k} {_number(v)}" for k, v in fact.items()))
        for one in report.found:
            about = one.to_dict()
            share = f" of {one.out_of:,} ({one.share:.2%})" if one.out_of else ""
            print(f"  {one.severity:<8} {one.check}  {one.count:,}{share} {about['of']}: {about['says']}")
            for where, detail in one.first[:examples]:
                print(f"             {_plain(where)}: {_plain(detail)}")
            print(f"             fix: {about['fix']}")
        if not report.found:
            print("  nothing found")
    counts = {
        kind: sum(one.severity == kind for r in reports for one in r.found)
        for kind in ("error", "warning", "note")
    }
    print(", ".join(f"{kind}s {n:,}" for kind, n in counts.items()))


def _print_checks() -> None:
    from curation.audit.catalogue import CHECKS, SEVERITIES

    for severity in SEVERITIES:
        print(f"{severity}s")
        for name, check in CHECKS.items():
            if check.severity == severity:
                print(f"  {name} ({check.of}): {check.says}")
                print(f"      fix: {check.fix}" + (f"; seen in {check.seen}" if check.seen else ""))


def _number(value: Any) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _plain(text: str) -> str:
    """Text of a set on a terminal: one line, and nothing in it does anything."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= LONGEST_DETAIL else clean[:LONGEST_DETAIL] + "…"
