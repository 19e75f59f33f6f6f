"""Measures the embedded policy for its model card: `python -m samplers.policy.measure [--model DIR]`.

Prints one JSON object: how often it is right (greedy, sampled, by majority, best of all), how well it
judges pairs in both orders, and how well a linear probe on its frozen states tells false step lines from
true ones *within* a problem, which is what reward models fine-tuned from it can build on.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from . import MODEL_DIR
from .tokenizer import JUDGE_PROMPT
from .world import Problem, check_steps, problems

_ANSWER = re.compile(r"The answer is (\d+)\.")
HELD_OUT_SEED = 20_000_003  # training problems come from other seeds and another generator stream


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    contents: list[str],
    temperature: float = 0.8,
    max_new_tokens: int = 96,
    rows: int = 400,
) -> list[str]:
    """One reply to each user turn; temperature 0 is greedy. Seed torch first."""
    tokenizer.padding_side, order = "left", sorted(range(len(contents)), key=lambda i: len(contents[i]))
    replies = [""] * len(contents)
    for at in range(0, len(order), rows):
        chosen = order[at : at + rows]
        chats = [[{"role": "user", "content": contents[i]}] for i in chosen]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        drawn = (
            {"do_sample": True, "temperature": temperature, "top_k": 0}
            if temperature
            else {"do_sample": False}
        )
        out = model.generate(**inputs, max_new_tokens=max_new_tokens, **drawn)
        texts = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(chosen, texts, strict=True):
            replies[i] = text
    return replies


def answer_of(text: str) -> int | None:
    found = _ANSWER.findall(text)
    return int(found[-1]) if found else None


def groups(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: list[Problem], k: int
) -> list[list[str]]:
    """`k` sampled solutions to each problem."""
    flat = sample(model, tokenizer, [p.text for p in asked for _ in range(k)])
    return [flat[i : i + k] for i in range(0, len(flat), k)]


def solving(asked: list[Problem], sampled: list[list[str]]) -> dict[str, float]:
    """Share right for one sample, for the majority's answer, and for a chooser who is never wrong."""
    right = voted = oracle = steps = 0.0
    for problem, texts in zip(asked, sampled, strict=True):
        answers = [answer_of(t) for t in texts]
        hits = [a == problem.answer for a in answers]
        right += sum(hits) / len(hits)
        votes = Counter(a for a in answers if a is not None)
        voted += bool(votes) and votes.most_common(1)[0][0] == problem.answer
        oracle += any(hits)
        steps += sum(all(check_steps(problem, t.split("\n"))) for t in texts) / len(texts)
    n = len(asked)
    return {"sampled": right / n, "majority": voted / n, "oracle": oracle / n, "all_steps_true": steps / n}


def pairs(asked: list[Problem], sampled: list[list[str]], seed: int) -> list[tuple[str, str, str]]:
    """For each problem with both kinds: its text, a right and a wrong solution."""
    rng, found = random.Random(seed), []
    for problem, texts in zip(asked, sampled, strict=True):
        right = [t for t in texts if answer_of(t) == problem.answer]
        wrong = [t for t in texts if answer_of(t) not in (None, problem.answer)]
        if right and wrong:
            found.append((problem.text, rng.choice(right), rng.choice(wrong)))
    return found


def judging(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, found: list[tuple[str, str, str]]
) -> dict[str, float]:
    """Greedy verdicts on right/wrong pairs, each in both orders."""
    prompts = []
    for text, right, wrong in found:
        for a, b in ((right, wrong), (wrong, right)):
            prompts.append(JUDGE_PROMPT.format(prompt=text, a=a, b=b))
    verdicts = [
        r.strip() for r in sample(model, tokenizer, prompts, temperature=0.0, max_new_tokens=6, rows=128)
    ]
    first, second = verdicts[::2], verdicts[1::2]
    n = len(found)
    return {
        "pairs": n,
        "judge_accuracy": (first.count("[[A]]") + second.count("[[B]]")) / (2 * n),
        "judge_right_both_orders": sum(
            a == "[[A]]" and b == "[[B]]" for a, b in zip(first, second, strict=True)
        )
        / n,
        "judge_ties": verdicts.count("[[C]]") / (2 * n),
        "judge_unparsed": sum(v not in ("[[A]]", "[[B]]", "[[C]]") for v in verdicts) / (2 * n),
    }


@torch.inference_mode()
def line_states(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problem: Problem, texts: list[str]
) -> list[torch.Tensor]:
    """Final hidden states at the end of every line of each solution, in the plain chat layout."""
    chat = [{"role": "user", "content": problem.text}]
    head = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    out, newline = [], tokenizer.convert_tokens_to_ids("Ċ")
    for text in texts:
        body = tokenizer.encode(text, add_special_tokens=False)
        states = model.model(input_ids=torch.tensor([head + body])).last_hidden_state[0]
        ends = [len(head) + i for i, t in enumerate(body) if t == newline] + [len(head) + len(body) - 1]
        out.append(states[ends].float())
    return out


def auc(wrong_scores: list[float], right_scores: list[float]) -> float:
    """Chance that a random wrong item scores above a random right one, ties half."""
    wins = sum((w > r) + 0.5 * (w == r) for w in wrong_scores for r in right_scores)
    return wins / (len(wrong_scores) * len(right_scores))


def probing(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: list[Problem],
    sampled: list[list[str]],
    steps: int = 300,
) -> dict[str, float]:
    """Fits a linear probe for false lines on half of the problems; mean AUC within problems of the other."""
    rows = []
    for problem, texts in zip(asked, sampled, strict=True):
        states = line_states(model, tokenizer, problem, texts)
        labels = [[not true for true in check_steps(problem, t.split("\n"))] for t in texts]
        rows.append((states, labels, [answer_of(t) == problem.answer for t in texts]))
    half = len(rows) // 2
    x = torch.cat([s for states, _, _ in rows[:half] for s in states])
    y = torch.tensor([v for _, labels, _ in rows[:half] for line in labels for v in line]).float()
    weight = torch.zeros(x.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.05)
    for _ in range(steps):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ weight[1:] + weight[0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    line_aucs, answer_aucs, best = [], [], []
    for states, labels, hits in rows[half:]:
        scores = [(s @ weight[1:].detach()).tolist() for s in states]
        flat = [
            (v, w)
            for line, marks in zip(scores, labels, strict=True)
            for v, w in zip(line, marks, strict=True)
        ]
        bad, good = [v for v, w in flat if w], [v for v, w in flat if not w]
        if bad and good:
            line_aucs.append(auc(bad, good))
        worst = [max(line) for line in scores]
        if any(hits) and not all(hits):
            wrong, right = (
                [v for v, h in zip(worst, hits, strict=True) if h == want] for want in (False, True)
            )
            answer_aucs.append(auc(wrong, right))
        best.append(hits[worst.index(min(worst))])
    return {
        "probe_line_auc_within": sum(line_aucs) / len(line_aucs),
        "probe_answer_auc_within": sum(answer_aucs) / len(answer_aucs),
        "probe_best_of_n": sum(best) / len(best),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_DIR)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--k", type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    asked = problems(args.problems, HELD_OUT_SEED)
    greedy = sample(model, tokenizer, [p.text for p in asked], 0.0)
    sampled = groups(model, tokenizer, asked, args.k)
    result = {
        "problems": args.problems,
        "k": args.k,
        "greedy": sum(answer_of(t) == p.answer for t, p in zip(greedy, asked, strict=True)) / len(asked),
        **solving(asked, sampled),
        **judging(model, tokenizer, pairs(asked, sampled, 0)),
        **probing(model, tokenizer, asked, sampled),
    }
    print(json.dumps({k: round(v, 3) for k, v in result.items()}, indent=1))


if __name__ == "__main__":
    main()
