"""Which engine, which model, with what settings: one form for all of them, and the function that opens it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from samplers.engine import Engine
from samplers.policy import MODEL_DIR
from store.errors import InputError

EMBEDDED = "embedded"


class EngineConfig(BaseModel):
    """An engine and its model. Only what is set differs from the default for the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["auto", "vllm", "openai", "transformers"] = Field(
        "auto",
        description="auto: openai if base_urls are given, else vllm where it is installed, else transformers",
    )
    model: str = Field(
        EMBEDDED,
        min_length=1,
        description="A model folder, a Hub name, the name a server knows, or `embedded`: the shipped policy",
    )
    revision: str | None = Field(
        None,
        description="Hub commit, branch or tag; for a server, a name for what it serves. Part of every key",
    )
    chat_template: str | None = Field(
        None, description="Jinja text or file, for a model that has no chat template of its own"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format; auto: the checkpoint's own (transformers on a CPU: float32)"
    )
    max_model_len: int | None = Field(
        None, ge=16, description="Longest prompt and completion together, in tokens; default: the model's own"
    )
    max_num_seqs: int = Field(256, ge=1, le=4096, description="Sequences generated at a time, per process")
    processes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="vLLM processes on a CPU; default: one per core for a small model, else one",
    )
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share one copy of the model (vllm)")
    base_urls: tuple[str, ...] = Field(
        (), description="OpenAI-compatible servers, e.g. http://gpu1:8000/v1; calls go to the least busy one"
    )
    api_key_env: str | None = Field(
        None,
        description="Name of the environment variable that holds the API key; the key itself is never stored",
    )
    max_concurrency: int = Field(64, ge=1, le=4096, description="Requests in flight per server (openai)")
    timeout: float = Field(600.0, gt=0, description="Seconds one request may take (openai)")
    max_attempts: int = Field(
        6,
        ge=1,
        description="Attempts at a request before it is put aside, as many when all else is done (openai)",
    )


def open_engine(config: EngineConfig) -> Engine:
    """The engine, checked as far as can be without loading weights; those load at the first call."""
    kind = resolve_kind(config)
    if kind == "openai":
        if config.model == EMBEDDED:
            raise InputError("engine.model: give the name by which the server knows the model")
        return _open_openai(config)
    model = _locate(config)
    if kind == "vllm":
        return _open_vllm(config, model)
    return _open_transformers(config, model)


def resolve_kind(config: EngineConfig) -> Literal["vllm", "openai", "transformers"]:
    """What `auto` means here; a kind that cannot work here is an error."""
    if config.kind == "openai" or (config.kind == "auto" and config.base_urls):
        if not config.base_urls:
            raise InputError(
                "engine.base_urls: the openai engine needs at least one, e.g. http://localhost:8000/v1"
            )
        return "openai"
    if config.base_urls:
        raise InputError(
            f"engine.base_urls: only the openai engine has servers, and engine.kind is {config.kind}"
        )
    has_vllm = find_spec("vllm") is not None
    if config.kind == "vllm" and not has_vllm:
        raise InputError(
            "engine.kind: vllm is not installed here. Install rewardsmith[gpu] or rewardsmith[cpu], "
            "or set engine.kind to transformers"
        )
    return "vllm" if has_vllm and config.kind != "transformers" else "transformers"


class _Model(NamedTuple):
    source: str  # what loaders load: a folder or a Hub name
    commit: str | None  # of a Hub repository
    name: str  # in tables and keys: never a path
    revision: str


def _locate(config: EngineConfig) -> _Model:
    from samplers.fingerprint import folder_revision, hub_revision

    # Another number format rounds otherwise: what was drawn in one is not what the other would say.
    suffix = "" if config.dtype == "auto" else f"-{config.dtype}"
    folder = MODEL_DIR if config.model == EMBEDDED else Path(config.model).expanduser()
    if folder.is_dir():
        name = EMBEDDED if config.model == EMBEDDED else folder.resolve().name
        return _Model(str(folder), None, name, folder_revision(folder) + suffix)
    if config.model == EMBEDDED:
        raise InputError(f"engine.model: the embedded policy is missing from this installation ({folder})")
    if config.model.startswith((".", "/", "~")) or config.model.count("/") > 1:
        raise InputError(f"engine.model: there is no folder {config.model}")
    commit = hub_revision(config.model, config.revision)
    return _Model(config.model, commit, config.model, commit + suffix)


def _open_vllm(config: EngineConfig, model: _Model) -> Engine:
    from samplers.chat import load_chat
    from samplers.fingerprint import weight_bytes
    from samplers.vllm_engine import VllmEngine, cpu_plan, engine_args, on_cpu

    chat = load_chat(model.source, model.commit, config.chat_template)
    size = 0 if model.commit else weight_bytes(Path(model.source))
    args = engine_args(model.source, size, config.dtype, config.max_num_seqs, config.max_model_len)
    args |= {"revision": model.commit, "tokenizer_revision": model.commit}
    args["tensor_parallel_size"] = config.tensor_parallel_size
    if not on_cpu():
        return VllmEngine(model.name, model.revision, chat, args)
    processes, threads = cpu_plan(size, config.processes)
    return VllmEngine(model.name, model.revision, chat, args, processes, threads)


def _open_transformers(config: EngineConfig, model: _Model) -> Engine:
    from samplers.chat import load_chat
    from samplers.transformers_engine import TransformersEngine

    chat = load_chat(model.source, model.commit, config.chat_template)
    limits = (config.max_num_seqs, config.max_model_len)
    return TransformersEngine(
        model.source, model.commit, model.name, model.revision, chat, config.dtype, *limits
    )


def _open_openai(config: EngineConfig) -> Engine:
    from samplers.openai_engine import OpenAIEngine

    return OpenAIEngine(
        config.model,
        config.base_urls,
        config.revision or "",
        config.api_key_env,
        config.max_concurrency,
        config.timeout,
        config.max_attempts,
    )
