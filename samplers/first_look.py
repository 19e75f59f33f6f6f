"""The first look at the servers: is anyone there, is the key good, is the model served, and who made them?"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from samplers.endpoints import Endpoint, backoff
from samplers.server import CONNECT_SECONDS, LONGEST_REASON, Refusal
from store.errors import InputError

log = logging.getLogger(__name__)

LOOKS = 3  # at a server, before it counts as absent
NOT_LISTED = {404, 405, 501}  # a server that lists no models may serve ours all the same


class Voice(NamedTuple):
    """How errors are told: with the server's own words, and no secret in them."""

    key: str | None
    key_name: str | None  # the environment variable it came from

    def words(self, endpoint: Endpoint, error: Exception) -> str:
        text = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        if error.__cause__ is not None and str(error.__cause__):
            text += f" ({' '.join(str(error.__cause__).split())[:LONGEST_REASON]})"
        if self.key:
            text = text.replace(self.key, "***")
        return f"{endpoint.name}: {type(error).__name__}: {text}"

    def refused(self, endpoint: Endpoint, error: Exception) -> str:
        """What a user can do about a status that will not change."""
        if isinstance(error, Refusal) and error.status == 404:
            advice = "Check engine.model, and whether engine.base_urls should end in /v1"
            return f"{self.words(endpoint, error)}. {advice}"
        key = (
            f"the key in ${self.key_name}"
            if self.key_name
            else "a call without a key (set engine.api_key_env)"
        )
        return f"{endpoint.name} refused {key}: {self.words(endpoint, error)}"


async def look(endpoints: list[Endpoint], model: str, voice: Voice) -> str:
    """Who made the servers ("vllm", ...), empty if not all the same. InputError if none of them is there.

    A wrong key, and a server that does not serve `model`, is an error for all.
    """
    found = await asyncio.gather(*(_look_again(endpoint, model, voice) for endpoint in endpoints))
    if problems := [problem for problem, _ in found if problem]:
        if len(problems) == len(endpoints):
            raise InputError(problems[0])
        log.warning("%s", "; ".join(problems))
    owners = {owner for problem, owner in found if not problem}
    return owners.pop() if len(owners) == 1 else ""


async def _look_again(endpoint: Endpoint, model: str, voice: Voice) -> tuple[str, str]:
    """(what is wrong, who made the server), after several looks if need be."""
    for attempt in range(LOOKS - 1):
        problem, owner = await _look_once(endpoint, model, voice)
        if not problem:
            return problem, owner
        await asyncio.sleep(backoff(attempt, None))
    return await _look_once(endpoint, model, voice)


async def _look_once(endpoint: Endpoint, model: str, voice: Voice) -> tuple[str, str]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS * 3):
            listed = (await endpoint.server.models()).get("data") or []
        named = {served["id"]: str(served.get("owned_by", "")).lower() for served in listed}
    except Refusal as error:
        if error.status in (401, 403):
            raise InputError(voice.refused(endpoint, error)) from None
        return ("" if error.status in NOT_LISTED else voice.words(endpoint, error)), ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        endpoint.failed(asyncio.get_running_loop().time())
        return f"{voice.words(endpoint, error)}. Is the server running, and is engine.base_urls right?", ""
    if named and model not in named:
        raise InputError(
            f"engine.model: {endpoint.name} does not serve {model}; it serves {', '.join(sorted(named)[:20])}"
        )
    return "", named.get(model, "")
