"""What names and numbers of the label tables mean: a name for each statistic, a sentence or two a table."""

from __future__ import annotations

NAMES = {
    "single": "accuracy of single verdicts",
    "coverage": "pairs with a preference",
    "brier": "squared error of soft preferences",
    "uncovered": "without log-probabilities",
    "unparsed": "could not be read",
    "unanswered": "never came",
    "retried": "asked a second time",
    "position_flip": "other verdict in the other order",
    "first_position": "verdicts for what stood first",
    "flips_to_first": "flips between A and B that favour the first",
    "position_bias_logits": "position bias, logits",
    "longer_wins": "longer one preferred",
    "siblings": "other samples read as rollouts",
    "shared": "rollouts used by a second solution",
}
CALIBRATION = {
    "accuracy": "Accuracy is of clear preferences between right and wrong (pairwise: in both orders).",
    "brier": "The squared error is over the pairs with a soft preference, which may be the easier ones.",
}
BIAS = {
    "position_bias_logits": "A positive position bias favours what stands first, a negative one the second.",
    "longer_wins": "Longer one preferred: among texts of different length.",
    "wins_by_place": "Of K places a judge without bias gives each 1/K of the wins.",
}
REPLIES = "A reply that cannot be read is asked for once more; then it decides nothing."
ROLLOUTS = (
    "Drawn: calls made for the labels and for the pilot, from which the strategy takes its rates; used: the "
    "calls that the labels rest on. Samples that begin alike are read as rollouts, at no cost."
)
SEARCH = "Trees grow from the samples of each prompt; rollouts that were new had not been drawn for labels."
AGREEMENT = (
    "With error, positive steps: shares of solutions and of steps, among all and among those kept. Error or "
    "none: one of the two labelers finds an error; other step: both do, at different steps."
)
VOTES = (
    "Share of wrong ones among the majorities of prompts that have a reference; the margin is the lead over "
    "the second answer, as a share of the samples."
)
PAIRS = (
    "These counts are of comparisons, those of the stage table of completions. With lengths that tell "
    "nothing, the longer side is chosen in 50 %."
)
INTERVALS = (
    "Brackets are 95 % intervals (Wilson) that take solutions as independent; those of F1 go from both lower "
    "ends to both upper ends and are a little too wide."
)
