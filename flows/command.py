"""`flows run`: check everything that can be checked for nothing, then run the flow."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.judge import NothingJudged
from flows.preflight import check_inputs, check_models
from flows.progress import say
from flows.recipe import Recipe, load_recipe
from flows.server import prefect_server
from store.errors import InputError

# Read by libraries when they are first imported. Torch's threads must not spin while they wait: with
# anything else on the cores, a training step of a small model took thirty times as long.
LIBRARY_ENV = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def run(args: argparse.Namespace) -> int:
    for key, value in LIBRARY_ENV.items():
        os.environ.setdefault(key, value)
    recipe = load_recipe(args.recipe, args.set)
    run_dir = Path(args.out or f"runs/{recipe.name}")
    check_inputs(recipe, run_dir)
    _prepare(run_dir, resume=args.resume, fresh=args.fresh and not args.plan)
    if recipe.runner == "ray" and args.max_calls is not None:
        raise InputError("--max-calls counts calls of one process; it cannot bound a run on ray")
    with _only_writer(run_dir):
        return _guarded(args, recipe, run_dir)


def _guarded(args: argparse.Namespace, recipe: Recipe, run_dir: Path) -> int:
    """The run or its plan, with its ends as exit codes and one line each."""
    from flows.__main__ import EXIT_BUDGET, EXIT_FAILED, EXIT_INTERRUPTED
    from samplers.cached import BudgetExhausted

    again = f"continue with: {_command(args, run_dir)}"
    try:
        if args.plan:
            from flows.plan import print_plan

            check_models(recipe)
            return print_plan(run_dir, recipe)
        _run_flow(recipe, run_dir, args.max_calls)
    except BudgetExhausted as stop:
        say(f"stopped: {stop}; {again}")
        return EXIT_BUDGET
    except KeyboardInterrupt:
        say(f"interrupted; everything finished is kept; {again}")
        return EXIT_INTERRUPTED
    except InputError:
        raise
    except NothingJudged as error:  # the same command would end in the same place
        print(f"error: {error}\nWhat the judges said is kept, and not paid for again.", file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:
        print(
            f"error: {type(error).__name__}: {error}\neverything finished is kept; {again}", file=sys.stderr
        )
        if os.environ.get("REWARDSMITH_TRACEBACK"):
            raise
        return EXIT_FAILED
    say(f"done: {run_dir}/README.md, {run_dir}/report/index.html; look closer: flows show {run_dir}")
    return 0


def _run_flow(recipe: Recipe, run_dir: Path, max_calls: int | None) -> None:
    with prefect_server(run_dir / ".prefect-server.log") as server:
        check_models(recipe)  # takes seconds, in which the server comes up

        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        from flows.run import flow_of

        if server:
            server.wait()
        # The heartbeat thread is joined in whole seconds at the end of every flow.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            flow_of(recipe)(recipe, str(run_dir), max_calls)


def _command(args: argparse.Namespace, run_dir: Path) -> str:
    sets = [word for override in args.set for word in ("--set", override)]
    return shlex.join(["flows", "run", args.recipe, *sets, "--out", str(run_dir)])


def _prepare(run_dir: Path, resume: bool, fresh: bool) -> None:
    exists = (run_dir / "manifest.json").exists()
    if resume and not exists:
        raise InputError(f"--resume: there is no run in {run_dir}; leave --resume out to start one")
    # A run that has only just begun, or was killed then, has dot-files and perhaps a ledger.
    if not exists and not (run_dir / "ledger").exists() and any(run_dir.glob("[!.]*")):
        raise InputError(f"--out {run_dir}: the folder is not empty and is no run; choose another")
    if fresh and exists:
        with _only_writer(run_dir):
            say(f"--fresh: the old run is kept in {_set_aside(run_dir)}")


def _set_aside(run_dir: Path) -> Path:
    n = 1
    while (old := run_dir.with_name(f"{run_dir.name}.old-{n}")).exists():
        n += 1
    shutil.move(run_dir, old)
    return old


@contextmanager
def _only_writer(run_dir: Path) -> Iterator[None]:
    """Two commands must not write one manifest; the lock goes with the process, also on SIGKILL."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = open(run_dir / ".lock", "w")
    except OSError as error:
        raise InputError(
            f"--out {run_dir}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another `flows run` is working in {run_dir}; wait for it or choose another --out"
            ) from error
        yield
