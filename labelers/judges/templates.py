"""Judge prompts are data: text files with the placeholders {prompt}, {a}, {b} and, where wanted, {reference}.

Substitution is a single pass, so braces and placeholder names inside a candidate stay text. Candidates are
untrusted: verdict tokens in them ("[[A]]", "final verdict:") and the tags that fence them off are spelled
apart before they are put in. The hash of the template's text is stored with every judgement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from samplers.policy import MODEL_DIR
from store.errors import InputError
from store.ids import content_id

BUILTIN = {path.stem: path for path in sorted((Path(__file__).parent / "prompts").glob("*.txt"))}
BUILTIN["policy"] = MODEL_DIR.parent / "judge_prompt.txt"  # the one that the embedded policy was trained on

_PLACEHOLDER = re.compile(r"\{(prompt|a|b|reference)\}")
_VERDICT = re.compile(r"\[\[(\s*\w[^\[\]]{0,12})\]\]")
_FINAL = re.compile(r"\b(final)(\W{1,4})(verdict)", re.IGNORECASE)
_FENCE = re.compile(r"<(/?)(question|solution_a|solution_b|reference)>", re.IGNORECASE)


@dataclass(frozen=True)
class Template:
    name: str
    text: str

    @property
    def hash(self) -> str:
        return content_id("judge-template", self.text)

    @property
    def needs_reference(self) -> bool:
        return "{reference}" in self.text

    def render(self, prompt: str, a: str, b: str, reference: str = "") -> str:
        values = {"prompt": prompt, "a": a, "b": b, "reference": reference}
        return _PLACEHOLDER.sub(lambda found: neutralise(values[found[1]]), self.text)


def neutralise(text: str) -> str:
    """`text` with everything a verdict reader or a reader of the fences could trip over spelled apart."""
    text = _VERDICT.sub(r"[ [\1] ]", text)
    text = _FINAL.sub(r"\1\2(quoted) \3", text)
    return _FENCE.sub(r"< \1\2 >", text)


def load_template(name: str | Path) -> Template:
    """A template by the name of a builtin one, or by the path of a file."""
    path = BUILTIN.get(str(name), Path(name))
    if not path.is_file():
        raise InputError(f"judge template {str(name)!r}: no such file, and not one of {', '.join(BUILTIN)}")
    text = path.read_text(encoding="utf-8").strip()
    missing = {"prompt", "a", "b"} - {found[1] for found in _PLACEHOLDER.finditer(text)}
    if missing:
        raise InputError(f"judge template {path.name}: add the placeholder {{{sorted(missing)[0]}}}")
    return Template(path.stem, text)
