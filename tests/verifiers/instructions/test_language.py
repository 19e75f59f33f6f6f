"""Language detection: same answers as langdetect's draws, fast, and a fair hearing for short texts."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.instructions import language
from verifiers.instructions.language import LANGUAGES, SMOOTHING, detect, written_in

SENTENCES = {
    "ar": "يذهب الأطفال إلى المدرسة كل صباح ويعودون إلى البيت في المساء.",
    "bg": "Децата ходят на училище всяка сутрин и се връщат вкъщи вечерта.",
    "bn": "শিশুরা প্রতিদিন সকালে স্কুলে যায় এবং সন্ধ্যায় বাড়ি ফিরে আসে।",
    "cs": "Děti chodí každé ráno do školy a večer se vracejí domů.",
    "da": "Børnene går i skole hver morgen og kommer hjem igen om aftenen.",
    "de": "Die Kinder gehen jeden Morgen in die Schule und kommen abends nach Hause.",
    "el": "Τα παιδιά πηγαίνουν στο σχολείο κάθε πρωί και γυρίζουν το βράδυ.",
    "en": "The children go to school every morning and come home in the evening.",
    "es": "Los niños van a la escuela todas las mañanas y vuelven a casa por la tarde.",
    "fa": "بچه‌ها هر روز صبح به مدرسه می‌روند و عصر به خانه برمی‌گردند.",
    "fi": "Lapset menevät joka aamu kouluun ja palaavat illalla kotiin.",
    "fr": "Les enfants vont à l'école tous les matins et rentrent à la maison le soir.",
    "gu": "બાળકો દરરોજ સવારે શાળાએ જાય છે અને સાંજે ઘરે પાછા આવે છે.",
    "he": "הילדים הולכים לבית הספר כל בוקר וחוזרים הביתה בערב.",
    "hi": "बच्चे हर सुबह स्कूल जाते हैं और शाम को घर लौटते हैं।",
    "hu": "A gyerekek minden reggel iskolába mennek, és este hazatérnek.",
    "it": "I bambini vanno a scuola ogni mattina e tornano a casa la sera.",
    "ja": "子供たちは毎朝学校へ行き、夕方に家へ帰ります。",
    "kn": "ಮಕ್ಕಳು ಪ್ರತಿದಿನ ಬೆಳಿಗ್ಗೆ ಶಾಲೆಗೆ ಹೋಗುತ್ತಾರೆ ಮತ್ತು ಸಂಜೆ ಮನೆಗೆ ಬರುತ್ತಾರೆ.",
    "ko": "아이들은 매일 아침 학교에 가고 저녁에 집으로 돌아옵니다.",
    "ml": "കുട്ടികൾ എല്ലാ ദിവസവും രാവിലെ സ്കൂളിൽ പോകുകയും വൈകുന്നേരം വീട്ടിൽ വരുകയും ചെയ്യുന്നു.",
    "mr": "मुले दररोज सकाळी शाळेत जातात आणि संध्याकाळी घरी परत येतात.",
    "nl": "De kinderen gaan elke ochtend naar school en komen 's avonds thuis.",
    "pa": "ਬੱਚੇ ਹਰ ਰੋਜ਼ ਸਵੇਰੇ ਸਕੂਲ ਜਾਂਦੇ ਹਨ ਅਤੇ ਸ਼ਾਮ ਨੂੰ ਘਰ ਵਾਪਸ ਆਉਂਦੇ ਹਨ।",
    "pl": "Dzieci chodzą do szkoły każdego ranka i wracają do domu wieczorem.",
    "pt": "As crianças vão à escola todas as manhãs e voltam para casa à noite.",
    "ru": "Дети ходят в школу каждое утро и возвращаются домой вечером.",
    "sv": "Barnen går till skolan varje morgon och kommer hem på kvällen.",
    "sw": "Watoto huenda shuleni kila asubuhi na kurudi nyumbani jioni.",
    "ta": "குழந்தைகள் தினமும் காலையில் பள்ளிக்குச் சென்று மாலையில் வீடு திரும்புகிறார்கள்.",
    "te": "పిల్లలు ప్రతిరోజూ ఉదయం పాఠశాలకు వెళ్లి సాయంత్రం ఇంటికి తిరిగి వస్తారు.",
    "th": "เด็กๆ ไปโรงเรียนทุกเช้าและกลับบ้านในตอนเย็น",
    "tr": "Çocuklar her sabah okula gider ve akşamları eve dönerler.",
    "uk": "Діти ходять до школи щоранку і повертаються додому ввечері.",
    "ur": "بچے ہر صبح اسکول جاتے ہیں اور شام کو گھر واپس آتے ہیں۔",
    "vi": "Trẻ em đi học mỗi buổi sáng và trở về nhà vào buổi tối.",
}
ENGLISH = SENTENCES["en"]


@cache
def frequencies() -> dict[int, np.ndarray]:
    profiles = language._profiles()
    values = np.expm1(profiles.scores) * SMOOTHING
    return {int(key): row for key, row in zip(profiles.grams, values, strict=True)}


def drawn_language(text: str, seed: int) -> str | None:
    """langdetect's procedure as its paper and README give it, draw by draw, over the same profiles."""
    profiles, known = language._profiles(), frequencies()
    grams, window, capital = [], " ", False
    for character in text:
        folded = chr(int(profiles.characters[ord(character)]))
        last = window[-1]
        if last == " ":
            window, capital = " ", False
            if folded == " ":
                continue
        window = (window if len(window) < 3 else window[1:]) + folded
        capital = folded.isupper() and (capital or last.isupper())
        if capital:
            continue
        for length in range(1, len(window) + 1):
            gram = window[-length:]
            key = 0
            for one in gram:
                key = key << 16 | ord(one)
            if gram != " " and key in known:
                grams.append(key)
    if not grams:
        return None
    rng = random.Random(seed)
    total = np.zeros(len(profiles.languages))
    for _ in range(7):
        weight = (0.5 + rng.gauss(0, 0.05)) / 10_000
        chances = np.full(len(total), 1 / len(total))
        for step in range(1001):
            chances *= weight + known[rng.choice(grams)]
            if step % 5 == 0:
                chances /= chances.sum()
                if chances.max() > 0.99999:
                    break
        total += chances
    return profiles.languages[int(total.argmax())]


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_recognised(code):
    assert detect(SENTENCES[code]) == code
    assert written_in(SENTENCES[code], code)


@pytest.mark.parametrize("code", sorted(set(SENTENCES) - {"en"}))
def test_no_sentence_in_another_language_passes_for_english_in_any_case(code):
    assert not written_in(SENTENCES[code], "en")
    assert not written_in(SENTENCES[code].upper(), "en")


def test_the_expectation_agrees_with_the_draws():
    texts = [piece for text in SENTENCES.values() for piece in (text, text.upper(), text[:25])]
    drawn = {text: Counter(drawn_language(text, seed) for seed in range(5)) for text in texts}
    certain = {text: next(iter(found)) for text, found in drawn.items() if len(found) == 1}
    assert len(certain) > 0.7 * len(texts)
    assert {text: detect(text) for text in certain} == certain


def test_two_processes_give_the_same_answer():
    ask = "from verifiers.instructions.language import detect; print([detect(t) for t in {!r}])".format(
        ["etchings", "YES", "A", ENGLISH, "Ja ja", "12"]
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", ask],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_every_profile_has_a_name():
    assert set(LANGUAGES) == {*language._profiles().languages, "zh"}


def test_chinese_may_be_in_either_script():
    for text in ("孩子们每天早上去学校，晚上回家。", "孩子們每天早上去學校，晚上回家。"):
        assert written_in(text, "zh")
        assert detect(text) in language.CHINESE


@pytest.mark.parametrize("text", ["", "42", "!?", "\ud800", "😀"])
def test_a_text_without_letters_is_in_no_language(text):
    assert detect(text) is None
    assert not written_in(text, "en")


@pytest.mark.parametrize("answer", ["etchings", "YES", "A", "pixel prodigy", "Abigail Smith\nBenjamin Jones"])
def test_a_short_answer_gets_the_benefit_of_the_doubt(answer):
    assert written_in(answer, "en")


def test_a_long_paragraph_in_another_language_is_noticed():
    german = " ".join([SENTENCES["de"]] * 8)
    translation = f"{ENGLISH} {ENGLISH}"
    assert detect(f"{german}\n\n{translation}") == "de"
    assert not written_in(f"{german}\n\n{translation}", "de")
    assert written_in(f"{german}\n\nHarry Potter and the Goblet of Fire", "de")  # a name is no paragraph


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(text):
    assert detect(text) in {None, *LANGUAGES}
    assert written_in(text, "en") in (True, False)
