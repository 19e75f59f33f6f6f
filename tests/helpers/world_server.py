"""A loopback OpenAI-compatible server that answers problems of the embedded world, right or wrong by seed.

    python world_server.py PORT_FILE LOG_FILE

Asked to judge two solutions, it prefers the right one, with log-probabilities of both letters if they are
wanted; called by the model name `contrary`, the wrong one. It ranks a right solution first, rates it 9 and a
wrong one 2, and finds the first wrong step. Sample i of a request is a function of (messages, prefill,
seed + i) alone, so an interrupted and an uninterrupted client must end up with the same texts. Every answered
request is a line of the log, written before the answer goes out. It calls itself vLLM because it can continue
an assistant turn.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from samplers.policy import world
from store.ids import derived_seed

DELAY_SECONDS = 0.01
# The question and the two solutions in the judge templates `policy` and `pairwise`.
JUDGE_PROMPTS = (
    re.compile(r"(.*?)\n\nSolution A:\n(.*)\n\nSolution B:\n(.*)\n\nWhich solution is right\?", re.DOTALL),
    re.compile(
        r".*<question>\n(.*)\n</question>.*<solution_a>\n(.*)\n</solution_a>"
        r".*<solution_b>\n(.*)\n</solution_b>",
        re.DOTALL,
    ),
)
QUESTION = re.compile(r"<question>\n(.*?)\n</question>", re.DOTALL)
CANDIDATE = re.compile(r"<candidate_([A-Z])>\n(.*?)\n</candidate_[A-Z]>", re.DOTALL)
ANSWER = re.compile(r"<answer>\n(.*?)\n</answer>", re.DOTALL)
STEP = re.compile(r"<step_\d+>\n(.*?)\n</step_\d+>", re.DOTALL)
_log_lock = threading.Lock()


def solution(problem: world.Problem, prefill: str, seed: int) -> str:
    """A whole fallible solution, or the rest of one; a prefix with an error seldom comes right."""
    rng = random.Random(seed)
    lines = prefill.split("\n")[:-1] if prefill else []
    if not lines:
        return "\n".join(world.demonstrate(problem, rng))
    right = rng.random() < (0.7 if world.first_error(problem, lines) == -1 else 0.05)
    answer = problem.answer if right else problem.answer + rng.randint(1, 9)
    return f"The answer is {answer}."


def judgement(question: str, a: str, b: str, contrary: bool) -> dict:
    """The verdict on two solutions, in four tokens."""
    problem = world.parse(question.strip())
    a, b = (b, a) if contrary else (a, b)
    right = [text.endswith(f"The answer is {problem.answer}.") for text in (a, b)]
    letter = "C" if right[0] == right[1] else "A" if right[0] else "B"
    likely = {"A": 0.4, "B": 0.4} if letter == "C" else {x: 0.9 if x == letter else 0.1 for x in "AB"}
    places = [{token: 1.0} for token in ("Judged.\n", "[[")] + [{letter: 0.2} | likely, {"]]": 1.0}]
    content = [
        {
            "token": said,
            "logprob": math.log(place[said]),
            "top_logprobs": [{"token": token, "logprob": math.log(p)} for token, p in place.items()],
        }
        for place in places
        for said in list(place)[:1]
    ]
    return {"text": f"Judged.\n[[{letter}]]", "logprobs": {"content": content}}


def opinion(text: str) -> str | None:
    """The last line of a ranking, a rating or a critique; None where nothing of the kind is asked."""
    asked = QUESTION.search(text)
    candidates, answer, steps = CANDIDATE.findall(text), ANSWER.search(text), STEP.findall(text)
    if asked is None or not (candidates or answer or steps):
        return None
    problem = world.parse(asked[1])
    if steps:
        return f"\\boxed{{{world.first_error(problem, [step.strip() for step in steps])}}}"
    right = f"The answer is {problem.answer}."
    if answer:
        return "[[9]]" if answer[1].endswith(right) else "[[2]]"
    return f"[[{next((letter for letter, shown in candidates if shown.endswith(right)), 'A')}]]"


def draw(messages: list[dict], seed: int, model: str) -> dict:
    """One answer: a verdict where solutions are shown, else a solution or the rest of one."""
    text = next(message["content"] for message in messages if message["role"] == "user")
    shown = next((found for form in JUDGE_PROMPTS if (found := form.match(text))), None)
    if shown:
        return judgement(*shown.groups(), model == "contrary")
    if said := opinion(text):
        return {"text": f"Looked at it.\n{said}"}
    prefill = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    problem = world.parse(text.strip())
    return {"text": solution(problem, prefill, derived_seed("server", messages, seed))}


def reply(body: dict) -> dict:
    drawn = [draw(body["messages"], body["seed"] + i, body["model"]) for i in range(body["n"])]
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": answer["text"]},
            "finish_reason": "stop",
            "token_ids": list(range(len(answer["text"].split()))),
            "logprobs": answer.get("logprobs") if body.get("logprobs") else None,
        }
        for i, answer in enumerate(drawn)
    ]
    total = sum(len(choice["token_ids"]) for choice in choices)
    usage = {"prompt_tokens": 10, "completion_tokens": total, "total_tokens": 10 + total}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_file: Path

    def do_GET(self) -> None:
        models = [{"id": name, "object": "model", "owned_by": "vllm"} for name in ("world", "contrary")]
        self._send({"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(DELAY_SECONDS)
        answer = reply(body)
        with _log_lock, self.log_file.open("a") as log:
            log.write(json.dumps(body) + "\n")
        self._send(answer)

    def _send(self, value: dict) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    port_file, Handler.log_file = Path(sys.argv[1]), Path(sys.argv[2])
    Handler.log_file.touch()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port_file.write_text(str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
