"""One process for each GPU, as torchrun starts them; or this process alone.

Every process plans the same steps and packs the same rows, and takes each `size`-th row. All forward and
backward passes run on all processes at once (their weights are shards that are gathered layer by layer,
FSDP2), so a process that is short of a row takes `FILLER`. A row's loss is already divided by the step's
total weight, so gradients are summed over processes, never averaged; they are exchanged after each row,
which keeps them in shards. Losses are those of one process up to rounding, unless adapters have dropout: each
process draws masks of its own."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from store.errors import InputError

from .memory import decoder_layers
from .network import Network
from .pack import LabelledTree, Row, make_row
from .trees import build_tree

FILLER = make_row([LabelledTree(build_tree([np.zeros(1, np.int32)]), [], np.zeros(0, np.int64))])


@dataclass(frozen=True)
class Ranks:
    """The processes of a run and this one's place; `mesh` is None where weights are not sharded."""

    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    @property
    def main(self) -> bool:
        return self.rank == 0

    def share(self, rows: Sequence[Row]) -> list[Row]:
        """This process's rows, equally many for each."""
        filled = [*rows, *[FILLER] * (-len(rows) % self.size)]
        return filled[self.rank :: self.size]

    def collect(self, parts: list[Any], n: int) -> list[Any]:
        """What the processes made of their shares of `n` rows, in the order of the rows, on each of them."""
        if self.size == 1 or not n:
            return parts
        shares: list[list[Any]] = [[] for _ in range(self.size)]
        dist.all_gather_object(shares, parts)
        return [shares[i % self.size][i // self.size] for i in range(n)]

    def sum(self, value: Tensor) -> Tensor:
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def check_same(self, what: Any) -> None:
        """InputError where a process sees other data, settings or progress than the main one: they would
        train different steps, or wait for each other for ever."""
        if self.size == 1:
            return
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, what)
        others = [rank for rank, seen in enumerate(found) if seen != found[0]]
        if others:
            raise InputError(
                f"process {others[0]} has other data or settings than process 0, or does not see the same "
                "output folder; give all processes the same files and one shared output"
            )

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


@contextmanager
def ranks(device: torch.device, mixed: bool) -> Iterator[Ranks]:
    """The processes that torchrun started, or this one. On a GPU `mixed` precision shards even one process's
    weights: they are then converted layer by layer and never all held in both types."""
    launched = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    backend = "nccl" if device.type == "cuda" else "gloo"
    if launched:
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if device.type == "cuda" else None
        if own is not None:
            torch.cuda.set_device(own)
        if not dist.is_initialized():  # once: processes do not meet a second time in the same store
            dist.init_process_group(backend, device_id=own)
            atexit.register(dist.destroy_process_group)
        yield Ranks(dist.get_rank(), dist.get_world_size(), _mesh(device))
    elif mixed and device.type == "cuda" and not dist.is_initialized():  # else it is another's group
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        try:
            yield Ranks(mesh=_mesh(device))
        finally:
            dist.destroy_process_group()
    else:
        yield Ranks()


def _mesh(device: torch.device) -> DeviceMesh:
    return init_device_mesh(device.type, (dist.get_world_size(),))


def is_main() -> bool:
    """Does this process speak for all? Also before and after a run."""
    return os.environ.get("RANK", "0") == "0"


def shard(network: Network, mesh: DeviceMesh) -> None:
    """FSDP2: each layer's weights in float32 over all processes, gathered in the compute type where they are
    used. The reward head stays float32."""
    model = network.model
    policy = MixedPrecisionPolicy(param_dtype=model.dtype, reduce_dtype=torch.float32)
    for layer in decoder_layers(model.hf):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model.hf.score, mesh=mesh)
    fully_shard(network, mesh=mesh, mp_policy=policy)
    for module in network.modules():
        if isinstance(module, FSDPModule) and mesh.size() > 1:
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # a plain sum, which gloo knows as well
    model.autocast = False


@torch.no_grad()
def forward_shared(network: Network, rows: Sequence[Row], among: Ranks) -> list[np.ndarray]:
    """(L, H, C) of each row, on every process."""
    mine = [network(row)[0].cpu().numpy() for row in among.share(rows)]
    return among.collect(mine, len(rows))
