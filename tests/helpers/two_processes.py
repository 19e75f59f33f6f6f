"""Two processes that train together, as torchrun would start them, forked from a server that has imported
all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from pathlib import Path
from typing import Any


def launch(
    config: Any, folder: Path, kill_at: int = -1, other_seed: int | None = None
) -> list[tuple[int | None, str]]:
    """Exit code of each process and what it reported. At step `kill_at` the one that reports kills itself;
    the other's next exchange fails. `other_seed` is that of the second process."""
    seeds = (config.seed, config.seed if other_seed is None else other_seed)
    settings = [config.model_copy(update={"seed": seed}).model_dump_json() for seed in seeds]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainers", __name__])
    told = [folder / f"told-{rank}" for rank in range(2)]
    for file in told:
        file.write_text("")
    started = [
        context.Process(target=_train, args=(settings[rank], rank, port, told[rank], kill_at))
        for rank in range(2)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    return [(process.exitcode, file.read_text()) for process, file in zip(started, told, strict=True)]


def _train(settings: str, rank: int, port: int, told: Path, kill_at: int) -> None:
    import torch

    from store.errors import InputError
    from trainers import TrainConfig, train

    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"}

    def report(event: dict[str, Any]) -> None:
        if event["step"] == kill_at and "loss" in event:
            os.kill(os.getpid(), signal.SIGKILL)
        with told.open("a") as file:
            file.write(f"step {event['step']}\n")

    try:
        train(TrainConfig.model_validate_json(settings), report)
    except InputError as error:
        told.write_text(str(error))
        raise SystemExit(1) from None
