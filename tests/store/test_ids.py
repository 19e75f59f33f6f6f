"""A content id depends on what a thing is, never on where it stands or who its neighbours are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from samplers.engine import Request, Sampling, call_key
from store.ids import content_id, derived_seed

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(TEXT, JSON, max_size=4), max_size=8)


class EchoEngine:
    """Renders a request as its messages; never samples."""

    kind, model, revision = "echo", "m", "r1"

    def render(self, request: Request) -> list[dict[str, str]]:
        return list(request.messages)


def requests(texts: list[str]) -> list[Request]:
    return [Request(({"role": "user", "content": text},), Sampling(), tag=i) for i, text in enumerate(texts)]


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_reordering_and_resharding_rows_changes_no_id(rows, random, n_shards):
    ids = {content_id(row) for row in rows}
    shuffled = random.sample(rows, len(rows))
    shards = [shuffled[i::n_shards] for i in range(n_shards)]
    assert {content_id(row) for shard in shards for row in shard} == ids


@given(ROWS, st.dictionaries(TEXT, JSON), st.integers(0, 8))
def test_adding_a_row_anywhere_changes_no_other_id(rows, added, place):
    more = rows[:place] + [added] + rows[place:]
    ids = [content_id(row) for row in more]
    del ids[min(place, len(rows))]
    assert ids == [content_id(row) for row in rows]


@given(st.dictionaries(TEXT, JSON, min_size=2, max_size=5))
def test_the_order_of_dict_keys_does_not_matter_at_any_depth(row):
    backwards = dict(reversed(row.items()))
    assert content_id(backwards, [backwards]) == content_id(row, [row])


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_different_parts_have_different_ids_however_they_are_cut(a, b):
    assert (content_id(*a) == content_id(*b)) == (a == b)


@given(JSON, JSON)
def test_a_seed_leaves_room_for_a_sample_index_in_a_signed_32_bit_integer(a, b):
    seed = derived_seed(a, b)
    assert 0 <= seed < 2**30
    assert seed == derived_seed(a, b)


@given(st.lists(TEXT, unique=True, max_size=8), st.randoms(use_true_random=False))
def test_a_call_key_is_the_same_wherever_the_call_stands_in_the_batch(texts, random):
    keys = {r.messages[0]["content"]: call_key(EchoEngine(), r) for r in requests(texts)}
    again = requests(random.sample(texts, len(texts)) + ["one more"])
    assert all(
        keys.get(r.messages[0]["content"], call_key(EchoEngine(), r)) == call_key(EchoEngine(), r)
        for r in again
    )
    assert len(set(keys.values())) == len(texts)


def test_a_call_key_changes_with_everything_the_answer_depends_on():
    base = requests(["2 + 2?"])[0]
    other_revision = EchoEngine()
    other_revision.revision = "r2"
    keys = [
        call_key(EchoEngine(), base),
        call_key(other_revision, base),
        call_key(EchoEngine(), replace(base, seed=1)),
        call_key(EchoEngine(), replace(base, sample_index=1)),
        call_key(EchoEngine(), replace(base, sampling=Sampling(max_tokens=16))),
        call_key(EchoEngine(), requests(["2 + 3?"])[0]),
    ]
    assert len(set(keys)) == len(keys)
    assert call_key(EchoEngine(), replace(base, tag="elsewhere")) == keys[0]
