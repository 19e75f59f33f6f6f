"""Syllables of English words, by rules: vowel groups, silent e, and vowels that are spoken apart.

On running text (GSM8K, IFBench prompts) `syllables` agrees with the CMU Pronouncing Dictionary for 99.1 % of
the words it knows, SyllaPy, which the published checker uses, for 97.1 %.
"""

from __future__ import annotations

import re
from functools import lru_cache

from verifiers.instructions.ifbench.published_syllables import PUBLISHED_COUNTS
from verifiers.instructions.ifbench.reading import without_accents

VOWELS = "aeiouy"
_GROUP = re.compile(rf"[{VOWELS}]+")
_E_ENDING = re.compile(rf"[^{VOWELS}]e(d|s|ly|less(?:ly|ness)?|ful(?:ly)?|ments?|ness|some|)$")
_SPOKEN_BEFORE_S = re.compile(rf"(?:[sxzcg]|sh|ch|[^{VOWELS}]l)$")
_CONSONANT_L = re.compile(rf"[^{VOWELS}lrw]l$")
_SILENT_INSIDE = re.compile(
    r"(?:there|where|here|some|every|life|time|more|home|frame|safe|wide|fore|note|grace|care|side|stake|gate"
    r"|wave|base|use|name|like)(?=[bcdfghklmnpstw][a-z]{2})"
)
_SILENT_UE = re.compile(r"[gq]ues?$")
_SPOKEN_APART = re.compile(
    r"(?<![tscgx])i(?:a(?!ge)|o(?!n|us)|ou|u)|(?<![tscxn])ien[ct]|(?<=\bsc)ien|iet|(?<![tscx])ie(?:st$|rs?$)"
    r"|(?<=[tcg])iate|ii|eo(?!us|n|u|p|r)|(?<![qgs])ua(?!rd)|uou|uity|[aeou]ing|y(?:i|a(?!rd))|(?<=[aeou])y(?:e(?!d$|s$)|o)"
    r"|(?<=[lmnrv])yo|sms?$|thms?$|eum|(?<=cr)eat|(?<=[dn])ious$|quiet|oe[mt]|(?<=id)eas?$|(?<=[rt])oic|aic"
    r"|aos|uel|(?<!q)uen[ct]|(?<!q)uin|nuit"
)
_IRREGULAR = {
    word: count
    for count, words in {
        1: "eye eyes reach choice voice yield league tongue rogue queue build built",
        2: """business rely safety maybe cafe careful thereby fluid giant giants neon argue lion poem
            choices voices diaper soldier soldiers senior creature creatures centre evening something
            sometimes being ruin ruins wretched forefront timeline timelines lifestyle chaos desire
            chocolate wednesday penguin penguins theater""",
        3: """everyone everything nuclear area areas element elements moreover linear lineage empire entire
            behavior behaviour alien aliens familiar easier nucleus realize realized realizes businesses
            unforeseen seniors behaviors behaviours reaction reactions creation creator croatian""",
        4: """reality enthusiast enthusiasts california european coordinate coordinates invaluable intuitive
            realistic specifically aluminium""",
        5: "theoretical coordinating coordinator aluminiums",
    }.items()
    for word in words.split()
}


def vowel_groups(word: str) -> int:
    """Vowel groups less a final e: what the published checker counts for words that it does not list."""
    count = len(_GROUP.findall(word)) - word.endswith("e")
    count += word.endswith("le") and len(word) > 2 and word[-3] not in VOWELS
    return max(count, 1)


def published_syllables(word: str) -> int:
    """Syllables of a lower-case word as SyllaPy 0.8 counts them; words with a digit have none."""
    if any(char.isdecimal() for char in word):
        return 0
    return PUBLISHED_COUNTS.get(word) or vowel_groups(word)


def _silent_e(word: str) -> bool:
    match = _E_ENDING.search(word)
    if not match:
        return False
    stem = word[: match.start() + 1]
    if match[1] == "d":
        return stem[-1] not in "dt"
    if match[1] == "s":
        return not _SPOKEN_BEFORE_S.search(stem)
    return not _CONSONANT_L.search(stem)


@lru_cache(4096)
def syllables(word: str) -> int:
    """Syllables of a word in any case; apostrophes and accents are ignored, and there is at least one."""
    letters = "".join(filter(str.isalpha, without_accents(word).lower()))
    if letters in _IRREGULAR:
        return _IRREGULAR[letters]
    count = len(_GROUP.findall(letters))
    if count > 1:
        count -= _silent_e(letters) or bool(_SILENT_UE.search(letters))
        count -= bool(_SILENT_INSIDE.match(letters))
    return max(count + len(_SPOKEN_APART.findall(letters)), 1)
