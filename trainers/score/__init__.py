"""Rewards of any completions: the same tokenisation and packing as in training.

All completions of a prompt share one tree, so scoring sixteen candidates reads the prompt once. What the
numbers are (trainers/readout.py):

    bt          reward = raw logit of the last token; step_rewards empty
    orm         reward = P(correct) at the last token; step_rewards = P(correct) at each segment's end when it
                was trained on every token, else empty
    prm         step_rewards = P(correct), or the expected rating, at the last token of each step;
                reward = their minimum (Math-Shepherd, arXiv 2312.08935)
    regression  attributes = the predicted values; reward = the first of them

Several heads, or several models (an ensemble of seeds), are joined at each label as the model's settings or
the caller say; `members` keeps what each of them would have said alone. Rewards of a Bradley-Terry ensemble
are standardised member by member first: their scales and offsets are arbitrary.

A conversation above the length limit is cut at its end and marked: its reward stands on the last token that
is left, and steps that were cut off have no entry."""

from .forward import Item as Item
from .scores import Score as Score
from .scores import score as score
from .scores import score_with as score_with
