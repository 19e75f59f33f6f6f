"""An engine that counts its calls; what it says is a function of the request alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from samplers.engine import REJECTED, Completion, Request
from store.ids import derived_seed


class CountingEngine:
    """Answers `queue` requests at a time, last first; rejects prompts that contain "too long"."""

    kind, model, revision = "counting", "counter", "1"

    def __init__(self, queue: int = 4, fail_after: int | None = None) -> None:
        self.queue, self.fail_after = queue, fail_after
        self.asked: list[Request] = []
        self.most_in_flight = 0

    def render(self, request: Request) -> list[str]:
        return [str(message) for message in request.messages] + [request.prefill]

    def start(self) -> None:
        pass

    def sample(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        flight: list[Request] = []
        for request in requests:
            flight.append(request)
            self.asked.append(request)
            self.most_in_flight = max(self.most_in_flight, len(flight))
            if len(flight) == self.queue:
                yield self._answer(flight.pop())
        while flight:
            yield self._answer(flight.pop())

    def close(self) -> None:
        pass

    def _answer(self, request: Request) -> tuple[Request, Completion]:
        if self.fail_after is not None and len(self.asked) > self.fail_after:
            raise KeyboardInterrupt
        content = request.messages[-1]["content"]
        if "too long" in content:
            return request, Completion("", "", REJECTED, 9, 0, error="longer than the context")
        text = str(derived_seed(content, request.prefill, request.seed))
        return request, Completion("", text, "stop", 5, 2)
