"""Secrets are hidden by name and by look; vocabulary and numbers are not."""

from __future__ import annotations

import pytest

from store.redact import HIDDEN, redact


@pytest.mark.parametrize(
    "key",
    ["token", "hf_token", "HF_TOKEN", "apiKey", "api_key", "x-api-key", "OPENAI_API_KEY", "Authorization"]
    + ["password", "client_secret", "aws_secret_access_key", "private_key", "credentials", "accessToken"],
)
def test_a_value_under_a_secret_sounding_key_is_hidden(key):
    assert redact({"a": [{key: "v"}], key: ["v", "w"]}) == {"a": [{key: HIDDEN}], key: [HIDDEN, HIDDEN]}


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_tokens", 512), ("token_budget", 4096), ("tokenizer", "x"), ("api_key_env", "OPENAI_API_KEY")]
    + [
        ("pad_token", "<pad>"),
        ("step_token", "ки"),
        ("eos_token", "</s>"),
        ("key", "question"),
        ("n_tokens", "9"),
    ]
    + [
        ("token", None),
        ("token", ""),
        ("author", "me"),
        ("monkey", "x"),
        ("base_url", "http://localhost:8000/v1"),
    ],
)
def test_what_only_resembles_a_secret_is_kept(key, value):
    assert redact({key: value}) == {key: value}


# Put together here so that no scanner takes a test for a leak.
LOOK_SECRET = ["hf_" + "a1B2" * 8, "sk-" + "proj-abcd1234" * 3, "ghp_" + "Z9" * 18, "AKIA" + "Q" * 16]


@pytest.mark.parametrize("secret", LOOK_SECRET)
def test_a_value_that_looks_like_a_secret_is_hidden_wherever_it_stands(secret):
    assert redact(f"failed with {secret}, twice") == f"failed with {HIDDEN}, twice"
    assert secret not in str(redact({"note": [secret]}))


def test_the_password_inside_a_url_is_hidden_and_the_url_kept():
    assert redact("https://me:pw@host:8000/v1") == f"https://{HIDDEN}@host:8000/v1"
    assert redact("https://host/v1?key=abc&n=2") == f"https://host/v1?key={HIDDEN}&n=2"
