"""The shipped policy: loads as plain Hugging Face files, reads any text, errs and judges as its card says."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplers.policy import MODEL_DIR
from samplers.policy.world import EXACT, check_steps, demonstrate, problems, solvable, solve, tokens

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(MODEL_DIR)


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).eval()


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_world_text_is_cut_at_words_numbers_and_newlines(tokenizer):
    problem = problems(1, 0)[0]
    for text in (problem.text, "\n".join(solve(problem))):
        assert [tokenizer.decode([i]) for i in tokenizer.encode(text)] == tokens(text)
    assert all(len(tokenizer.encode(f" {n}")) == 1 for n in range(100))
    assert tokenizer.tokenize(".\n\n 7") == [".", "Ċ", "Ċ", "Ġ7"]


def test_the_shipped_tokenizer_is_the_one_the_script_builds(tokenizer):
    from samplers.policy.tokenizer import build

    made = build()
    assert made.get_vocab() == tokenizer.get_vocab() and made.chat_template == tokenizer.chat_template


def test_chat_template_opens_and_continues_turns(tokenizer):
    chat = [{"role": "user", "content": "Hi"}]
    opened = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert opened == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    chat.append({"role": "assistant", "content": "Ann has 7.\n"})
    continued = tokenizer.apply_chat_template(chat, tokenize=False, continue_final_message=True)
    assert continued == opened + "Ann has 7.\n"


def test_the_policy_errs_but_not_always(model, tokenizer):
    from samplers.policy.measure import groups, solving

    torch.manual_seed(0)
    asked = problems(50, 7)
    sampled = groups(model, tokenizer, asked, 2)
    assert 0.3 < solving(asked, sampled)["sampled"] < 0.8
    readable = sum(t.split("\n")[-1].startswith("The answer is ") for texts in sampled for t in texts)
    assert readable >= 98
    lines = [
        true
        for problem, texts in zip(asked, sampled, strict=True)
        for text in texts
        for true in check_steps(problem, text.split("\n"))
    ]
    assert 0.6 < sum(lines) / len(lines) < 0.95


def test_the_judge_sees_the_misreading_in_both_orders(model, tokenizer):
    from samplers.policy.measure import judging

    found, misreader = [], replace(EXACT, inverse=1.0, inverse_ratio=1.0)
    for problem in problems(120, 8):
        wrong = demonstrate(problem, random.Random(0), misreader)
        if not solvable(problem, wrong):
            found.append((problem.text, "\n".join(solve(problem)), "\n".join(wrong)))
    measured = judging(model, tokenizer, found)
    assert measured["judge_accuracy"] > 0.75 and measured["judge_unparsed"] == 0


def test_the_training_pass_agrees_with_the_stock_modules(model, tokenizer):
    from samplers.policy.forward import hidden

    ids = torch.tensor([tokenizer.encode(p.text)[:30] for p in problems(3, 1)])
    with torch.inference_mode():
        stock = model.model(input_ids=ids).last_hidden_state
        lean, _ = hidden(model, ids, kind=torch.float32)
    assert torch.allclose(stock, lean, atol=1e-4)
