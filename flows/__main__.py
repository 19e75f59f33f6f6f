"""The `flows` command. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done; 2 bad input or usage, nothing was spent; 3 the call budget ended
the run (resume with a larger one); 4 a stage failed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys

EXIT_INPUT, EXIT_BUDGET, EXIT_FAILED, EXIT_INTERRUPTED = 2, 3, 4, 130


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.verb is None:
        parser.print_help()
        return EXIT_INPUT
    module, function = args.call.split(":")
    try:
        return int(getattr(importlib.import_module(module), function)(args) or 0)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `flows show RUN | head`
        sys.stderr.close()
        return 0
    except Exception as error:
        from store.errors import InputError

        if isinstance(error, InputError):
            print(f"error: {error}", file=sys.stderr)
            return EXIT_INPUT
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flows",
        description="Preference data and process-reward labels, and the reward models trained on them.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    run = _verb(verbs, "run", "flows.command:run", "run a recipe: a file, or a name from `flows list`")
    run.add_argument("recipe", metavar="RECIPE")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a recipe key, dotted"
    )
    run.add_argument("--out", metavar="DIR", help="run folder (default: runs/NAME)")
    again = run.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue; refuse to start a new run folder")
    again.add_argument("--fresh", action="store_true", help="set an existing run folder aside and start over")
    run.add_argument(
        "--plan", action="store_true", help="probe the engine, print calls, tokens and time, and stop"
    )
    run.add_argument("--max-calls", type=int, metavar="N", help="stop cleanly before the N+1st engine call")

    listing = _verb(verbs, "list", "flows.status:list_runs", "list the recipes and the runs made here")
    listing.add_argument("--runs", default="runs", metavar="DIR", help="folder of runs (default: runs)")

    status = _verb(
        verbs, "status", "flows.status:status", "stages, counts, rejections, tokens and time of a run"
    )
    status.add_argument("run", metavar="RUN", help="run folder, or its name under runs/")

    show = _verb(
        verbs,
        "show",
        "flows.show:show",
        "look at completions with their step labels, and pairs with evidence",
    )
    show.add_argument("run", metavar="RUN")
    show.add_argument("-n", type=int, default=3, metavar="N", help="how many of each (default 3)")
    show.add_argument("--prompt", metavar="ID", help="only this prompt id (a prefix will do)")

    verifiers = _verb(
        verbs, "verifiers", "flows.verifiers:list_verifiers", "list the verifiers that a recipe can name"
    )
    verifiers.add_argument(
        "what", nargs="?", choices=["instructions"], help="list the instruction ids with their arguments"
    )

    convert = _verb(
        verbs,
        "convert",
        "flows.convert:convert",
        "rewrite a data set in the row format of another trainer, or into a table to train on",
    )
    convert.add_argument("source", metavar="IN", help=".jsonl, .jsonl.gz, .parquet or .json")
    convert.add_argument("target", metavar="OUT", help=".jsonl or .jsonl.gz; a table also .parquet")
    for flag, name, side in (("--from", "read_as", "IN"), ("--to", "write_as", "OUT")):
        convert.add_argument(
            flag,
            dest=name,
            required=True,
            metavar="FORMAT",
            help=f"row format of {side}, e.g. preference, trl-preference, math-shepherd; "
            "a name that does not exist lists them all",
        )

    deploy = _verb(
        verbs, "deploy", "flows.deploy:deploy", "register the scheduled deployments of prefect.yaml"
    )
    deploy.add_argument("name", nargs="?", metavar="NAME", help="one deployment (default: all)")

    push = _verb(
        verbs, "push", "flows.push:push_command", "push the datasets or a model, with its card, to the Hub"
    )
    push.add_argument("run", metavar="RUN")
    push.add_argument("repo", metavar="REPO", help="owner/name on the Hub")
    push.add_argument(
        "--model", choices=["bt", "orm", "prm"], help="push this reward model, not the datasets"
    )
    push.add_argument("--public", action="store_true", help="make the repository public (default: private)")
    push.add_argument("--revision", metavar="BRANCH", help="push to this branch")
    return parser


def _verb(verbs: argparse._SubParsersAction, name: str, call: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(call=call)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"rewardsmith {version('rewardsmith')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
