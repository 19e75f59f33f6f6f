"""The recipe: everything a run does, as one pydantic model.

The same model is the YAML schema of `recipes/*.yaml`, the `--set key=value` schema
of the command, and the form of the Prefect UI. Unknown keys are refused with the
nearest valid name, before anything is loaded or spent.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from samplers.engines import EngineConfig
from store.errors import InputError
from verifiers.policy import Policy
from verifiers.registry import bind, is_own

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WorldPrompts(Section):
    """Generated arithmetic word problems of the embedded world: every step is exactly checkable."""

    source: Literal["world"]
    n_train: int = Field(600, ge=1, description="training problems")
    n_test: int = Field(150, ge=1, description="held-out problems for the evaluation")
    planted_leaks: int = Field(
        6,
        ge=0,
        description="test problems copied among the training prompts, to see decontamination find them",
    )


class RowFields(Section):
    """Where a row keeps its parts; dotted names reach into nested objects."""

    prompt: str = Field("prompt", description="question text, or a list of {role, content} messages")
    answer: str | None = Field(None, description="reference answer, or a solution that ends with it")
    constraints: str | None = Field(
        None, description="constraints that the prompt states: a list of {instruction_id, kwargs}, or of ids"
    )
    constraint_kwargs: str | None = Field(None, description="list of arguments, where constraints has ids")
    tests: str | dict[str, str] | None = Field(
        None,
        description="tests of a program: one field, or part -> field: {test: test, entry_point: entry_point}",
    )
    json_schema: str | None = Field(None, description="JSON schema that the answer must fit")
    choices: str | None = Field(None, description="options of a multiple-choice question")
    domain: str | None = Field(None, description="what this prompt is about; default: the source's domain")


class FilePrompts(Section):
    """Your own prompts, one row each: .jsonl, .jsonl.gz, .json, .csv or .parquet."""

    source: Literal["file"]
    path: str | None = Field(None, description="the file; required")
    fields: RowFields = RowFields()
    test_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts held out, chosen by content")
    limit: int | None = Field(None, ge=1, description="use only this many prompts, chosen by content")
    domain: str = Field("unknown", description="what the prompts are about, for the card")


class HubPrompts(Section):
    """Prompts from a dataset on the Hugging Face Hub."""

    source: Literal["hub"]
    dataset: str = Field(description="repository, e.g. openai/gsm8k")
    config: str | None = None
    split: str = "train"
    revision: str | None = Field(None, description="commit or tag; pin it for a reproducible run")
    fields: RowFields = RowFields()
    test_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts held out, chosen by content")
    limit: int | None = Field(None, ge=1, description="use only this many prompts, chosen by content")
    domain: str = "unknown"


Prompts = Annotated[WorldPrompts | FilePrompts | HubPrompts, Field(discriminator="source")]
_SOURCES: dict[Any, type[Section]] = {"world": WorldPrompts, "file": FilePrompts, "hub": HubPrompts}


class ConstrainStage(Section):
    """Append constraints that a program can check to prompts that have none."""

    count: int = Field(2, ge=1, le=5, description="constraints a prompt")
    suites: list[Literal["ifeval", "ifeval-train"]] = Field(
        ["ifeval", "ifeval-train"], min_length=1, description="where they are drawn from"
    )


class SampleStage(Section):
    """Draw completions from the policy."""

    n: int = Field(16, ge=1, description="completions a training prompt")
    n_test: int = Field(16, ge=1, description="completions a test prompt")
    temperature: float = Field(0.8, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: no limit")
    max_tokens: int = Field(512, ge=1, description="new tokens a completion at most")
    system: str | None = Field(None, description="system prompt put before every prompt")


class RecordedStage(Section):
    """Use completions that already exist, from the rows of the prompts file."""

    completions: dict[str, str] = Field(description="model name -> field that holds its completion")


class AnswerPolicy(Section):
    """How answers are read, in verdicts, votes and rollouts; fields of verifiers.policy.Policy."""

    last_number: bool = Field(False, description="read the last number of a text that marks no answer")
    boxes: Literal["last", "union"] = Field("last", description="which of several boxes is the answer")
    ordered: bool = Field(False, description="a bare list 1, 2 is ordered")
    percent: Literal["either", "fraction"] = Field("either", description="28% is 28 and 0.28, or only 0.28")
    units: Literal["lenient", "strict", "ignore"] = "lenient"
    simplified: bool = Field(False, description="an unreduced fraction is no answer")
    choices: str = Field("", description="letters, where every answer is one, e.g. ABCD")

    def policy(self) -> Policy:
        return Policy(**self.model_dump())


class VerifierUse(Section):
    """One verifier. `flows verifiers` lists the built-in ones with their options."""

    use: str = Field(description="an id, or your own FILE.py:FUNCTION")
    options: dict[str, Any] = {}
    when: list[Literal["answer", "constraints", "tests", "schema", "choices"]] | None = Field(
        None, description="fields a prompt must have to be judged by it; default: those it reads"
    )
    domain: str | None = Field(None, description="only prompts of this domain")

    @model_validator(mode="after")
    def _known(self) -> VerifierUse:
        if is_own(self.use):
            return self  # its file is looked for when the run is
        bind(self.use, self.options)
        return self


def _spelt_out(use: Any) -> Any:
    return {"use": use} if isinstance(use, str) else use


class VerifyStage(Section):
    """Check completions against what their prompts say. Where several verifiers apply, all must hold."""

    verifiers: list[Annotated[VerifierUse, BeforeValidator(_spelt_out)]] | None = Field(
        None, min_length=1, description="default: every built-in verifier that a prompt's fields call for"
    )
    policy: AnswerPolicy = AnswerPolicy()
    workers: int = Field(1, ge=0, description="worker processes; 0: algebra in this process, no deadline")
    deadline: float = Field(2.0, gt=0, le=3600, description="seconds for one row in a worker process")


class VoteStage(Section):
    """Majority vote over equivalence classes of answers."""

    min_margin: float = Field(0.25, ge=0, le=1, description="(n1 - n2)/n a pseudo-gold answer needs")


class JudgeStage(Section):
    """Pairwise judge, both orders always."""

    engine: EngineConfig | None = Field(None, description="the judge; null: the policy itself")
    template: str = Field("pairwise", description="built-in name (pairwise, policy) or a file")
    pairs_per_prompt: int = Field(1, ge=1)
    max_prompts: int | None = Field(
        None, ge=1, description="judge pairs of this many prompts, chosen by content"
    )
    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(512, ge=1)
    logprobs: int = Field(0, ge=0, le=20, description="top log-probabilities; > 0 gives soft preferences")


class RolloutStage(Section):
    """Math-Shepherd step labels."""

    engine: EngineConfig | None = Field(None, description="the completer; null: the policy itself")
    n: int = Field(8, ge=1, description="rollouts a step at most")
    strategy: Literal["exhaustive", "first-success"] = "first-success"
    solutions_per_prompt: int = Field(4, ge=1, description="distinct solutions labelled a prompt")
    max_prompts: int | None = Field(None, ge=1, description="label this many prompts, chosen by content")
    segment: Literal["newline", "blank-line", "step"] = "newline"
    temperature: float = Field(0.8, ge=0, le=2)
    max_tokens: int = Field(512, ge=1)


class EvalSet(Section):
    """A named evaluation set that no training prompt may touch: a local file or a Hub dataset."""

    name: str
    path: str | None = Field(None, description="local file")
    dataset: str | None = Field(None, description="or a Hub repository")
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    field: str = Field("prompt", description="field that holds the question")

    @model_validator(mode="after")
    def _one_place(self) -> EvalSet:
        if (self.path is None) == (self.dataset is None):
            raise ValueError(f"eval set {self.name!r}: give exactly one of path and dataset")
        return self


OWN_TEST = "test split of this run"  # the eval set that a run's own test prompts make


class DecontaminateStage(Section):
    """Drop training prompts that touch an evaluation set. The run's own test prompts always count as one."""

    against: list[EvalSet] = []
    ngram: int = Field(5, ge=3, le=13, description="words in an n-gram")
    threshold: float = Field(
        0.6, gt=0, le=1, description="share of a long eval text's n-grams that makes a hit"
    )

    @model_validator(mode="after")
    def _distinct_names(self) -> DecontaminateStage:
        names = [eval_set.name for eval_set in self.against]
        if len({*names, OWN_TEST}) <= len(names):
            raise ValueError(f"eval sets need names of their own, other than {OWN_TEST!r}; given: {names}")
        return self


class BuildStage(Section):
    """Labels to training sets."""

    sets: list[Literal["preference", "ranking", "outcome", "stepwise"]] = [
        "preference",
        "ranking",
        "outcome",
        "stepwise",
    ]
    pairs_per_prompt: int = Field(4, ge=1, description="preference pairs a prompt at most")
    heldout_fraction: float = Field(0.1, ge=0, lt=1, description="share of prompts in each set's test split")
    truncate_after_error: bool = Field(False, description="drop the steps after a solution's first wrong one")


class TrainStage(Section):
    """Reward models, each from its own set: bt from preference, orm from outcome, prm from stepwise."""

    models: list[Literal["bt", "orm", "prm"]] = ["bt", "orm", "prm"]
    base: str | None = Field(None, description="folder or Hub name; null: the policy")
    lr: float = Field(1e-5, gt=0, description="peak learning rate")
    epochs: int = Field(1, ge=1)
    batch_prompts: int = Field(
        32, ge=1, description="prompts in one optimiser step, each with all its completions"
    )
    row_tokens: int = Field(4096, ge=16, description="token budget of a packed row")
    max_tokens: int | None = Field(None, ge=2, description="longer conversations are dropped and counted")
    dtype: Literal["float32", "bfloat16"] = "float32"


class EvaluateStage(Section):
    """Best-of-n on the test prompts."""

    best_of: list[Annotated[int, Field(ge=1)]] = [1, 2, 4, 8, 16]


class Recipe(Section):
    """One dataset, from prompts to measured reward models. A stage left out is not run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    licence: str | None = Field(None, description="licence of the published dataset; `flows push` needs it")
    seed: int = Field(0, ge=0)
    shard_prompts: int = Field(512, ge=1, description="prompts a shard: one Prefect task, one output file")
    shards_in_flight: int = Field(
        1, ge=1, description="shards run at once; above 1 for openai engines or ray"
    )
    runner: Literal["threads", "ray"] = Field(
        "threads", description="ray: shards in flight run on a Ray cluster whose nodes share the run folder"
    )
    allow_code_execution: bool = Field(
        False, description="run programs that models wrote against the tests of their prompts"
    )
    engine: EngineConfig | None = Field(None, description="the policy")
    prompts: Prompts
    decontaminate: DecontaminateStage = DecontaminateStage()
    constrain: ConstrainStage | None = None
    sample: SampleStage | None = None
    recorded: RecordedStage | None = None
    verify: VerifyStage = VerifyStage()
    vote: VoteStage | None = None
    judge: JudgeStage | None = None
    rollout: RolloutStage | None = None
    build: BuildStage = BuildStage()
    train: TrainStage | None = None
    evaluate: EvaluateStage | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if (self.sample is None) == (self.recorded is None):
            raise ValueError(
                "give exactly one of `sample` (draw completions) and `recorded` (use existing ones)"
            )
        if (
            self.shards_in_flight > 1
            and self.runner == "threads"
            and self.engine
            and not self.engine.base_urls
        ):
            raise ValueError("shards_in_flight above 1 needs an openai engine (base_urls), or runner: ray")
        if self.constrain and self.recorded:
            raise ValueError(
                "`constrain` changes the prompts that recorded completions answer: leave it out, "
                "and name the field of the constraints they were asked to keep (prompts.fields.constraints)"
            )
        if any(v.use == "code" for v in self.verify.verifiers or ()) and not self.allow_code_execution:
            raise ValueError("verifier `code` runs programs of models: add allow_code_execution: true")
        if self.sample and self.engine is None:
            raise ValueError("`sample` needs an `engine`")
        for stage in ("judge", "rollout"):
            config = getattr(self, stage)
            if config is not None and config.engine is None and self.engine is None:
                raise ValueError(f"`{stage}` needs an `engine`, its own or the recipe's")
        return self

    @model_validator(mode="after")
    def _sets_and_models(self) -> Recipe:
        if "stepwise" in self.build.sets and self.rollout is None:
            raise ValueError("the stepwise set needs `rollout`; add it, or leave stepwise out of build.sets")
        if self.train:
            needs = {"bt": "preference", "orm": "outcome", "prm": "stepwise"}
            for model in self.train.models:
                if needs[model] not in self.build.sets:
                    raise ValueError(
                        f"train.models has {model}, which learns from the {needs[model]} set: add it"
                    )
            if self.train.base is None and self.engine is None:
                raise ValueError("`train` needs a `base` model when the recipe has no engine")
        if self.evaluate and not self.train:
            raise ValueError("`evaluate` measures the models that `train` makes: add `train`")
        return self

    def engine_of(self, stage: JudgeStage | RolloutStage) -> EngineConfig:
        """The stage's own engine, or the policy's; `_consistent` has seen to it that there is one."""
        engine = stage.engine or self.engine
        assert engine
        return engine


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def recipe_path(name_or_file: str) -> Path:
    """The file of a recipe given by path or by built-in name."""
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if not path.is_file():
            raise InputError(f"recipe file {path} does not exist")
        return path
    if name_or_file in recipe_names():
        return RECIPES / f"{name_or_file}.yaml"
    near = difflib.get_close_matches(name_or_file, recipe_names(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"no recipe named {name_or_file!r}{hint} (there are: {', '.join(recipe_names())})")


def load_recipe(name_or_file: str, overrides: list[str] | None = None) -> Recipe:
    """Read, override (`a.b=value`, values in YAML) and validate a recipe.

    Raises InputError naming the file, the key and the nearest valid name.
    """
    path = recipe_path(name_or_file)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: a recipe is a mapping of sections, this is {type(data).__name__}")
    for override in overrides or []:
        _apply(data, override)
    return validate_recipe(data, str(path))


def validate_recipe(data: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise InputError(_explain(error, where)) from error


def _apply(data: dict[str, Any], override: str) -> None:
    key, sep, text = override.partition("=")
    if not sep or not key:
        raise InputError(f"--set {override!r}: write key=value, e.g. --set sample.n=8")
    *parents, last = key.split(".")
    node: Any = data
    for part in parents:
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = _child(node, part, override)
    value = yaml.safe_load(text)
    if key == "prompts.source" and isinstance(node, dict):
        _change_source(node, value)
    if isinstance(node, list):
        _child(node, last, override)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise InputError(f"--set {override!r}: {'.'.join(parents)} is a plain value, it has no {last!r}")


def _change_source(prompts: dict[str, Any], source: str) -> None:
    """Drop what the recipe says of its own source and the new one cannot have: dataset, n_train."""
    old, new = _SOURCES.get(prompts.get("source", "")), _SOURCES.get(source)
    if old and new:
        for key in set(old.model_fields) - set(new.model_fields):
            prompts.pop(key, None)


def _child(node: Any, part: str, override: str) -> Any:
    if isinstance(node, dict):
        return node[part]
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    raise InputError(f"--set {override!r}: there is no {part!r} to set")


def _explain(error: ValidationError, where: str) -> str:
    lines = []
    for item in error.errors():
        # A discriminated union puts its tag into the location; it is no key of the file.
        loc = [part for part in item["loc"] if part not in ("world", "file", "hub")]
        key = ".".join(map(str, loc)) or "recipe"
        if item["type"] == "extra_forbidden":
            names = _valid_names(item["loc"][:-1])
            near = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(names)}"
            lines.append(f"{where}: unknown key {key!r}; {hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = "" if item["type"] in ("missing", "value_error") else f" (given: {item['input']!r})"
            lines.append(f"{where}: {key}: {message}{given}")
    return "\n".join(lines)


def _valid_names(loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the section at `loc`, found by walking the models' annotations."""
    models: list[type[BaseModel]] = [Recipe]
    for part in loc:
        found = [
            inner
            for model in models
            if isinstance(part, str) and part in model.model_fields
            for inner in _models_in(model.model_fields[part].annotation)
        ]
        tagged = [
            m
            for m in models
            if "source" in m.model_fields and str(part) in str(m.model_fields["source"].annotation)
        ]
        models = found or tagged or models
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner)]
