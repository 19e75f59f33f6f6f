"""What LaTeX commands, words and characters stand for: token kinds of the lexer, as data."""

from __future__ import annotations

from verifiers.characters import ASCII, VULGAR

_TRIG = (
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh "
    "arctanh"
).split()
FUNCTIONS = {name: name for name in _TRIG}
FUNCTIONS |= {name: name for name in "exp ln log max min gcd lcm arg det cis".split()}
FUNCTIONS |= {"tg": "tan", "ctg": "cot", "cotg": "cot", "cosec": "csc", "arctg": "arctan", "arcctg": "arccot"}
FUNCTIONS |= {"a" + name[3:]: name for name in _TRIG if name.startswith("arc")}
FUNCTIONS |= {"ar" + name[3:]: name for name in ("arcsinh", "arccosh", "arctanh")}
FUNCTIONS |= {"sh": "sinh", "ch": "cosh", "th": "tanh"}
FUNCTIONS |= {"lg": "lg", "Re": "re", "Im": "im", "sgn": "sign", "sign": "sign", "hcf": "gcd", "GCD": "gcd"}
FUNCTIONS |= {"LCM": "lcm", "HCF": "gcd", "Log": "log", "Ln": "ln"}
PLAIN_FUNCTIONS = {name: f for name, f in FUNCTIONS.items() if name not in ("sh", "ch", "th", "tg", "sign")}
PLAIN_FUNCTIONS |= {"abs": "abs", "floor": "floor", "ceil": "ceil", "ceiling": "ceil", "binom": "binom"}
GLUED_FUNCTIONS = "arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|ln|log"  # sinx, xcosx
INVERSE = {f: "arc" + f for f in "sin cos tan cot sec csc sinh cosh tanh".split()}

GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron rho sigma tau upsilon "
    "phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph".split()
)
_VARIANTS = {f"var{name}": name for name in "epsilon theta rho sigma phi kappa pi".split()}

NAMED_SETS = {"R": "Reals", "Z": "Integers", "N": "Naturals", "Q": "Rationals", "C": "Complexes"}

_SKIPPED = (
    "displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits left right middle big Big bigg "
    "Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm mathop mathrel mathbin mathord hline rm bf it sf "
    "tt cal normalsize large Large small noindent centering allowbreak nonumber notag strut mathstrut "
    "ensuremath"
).split()
_SPACES = "space thinspace enspace enskip negthinspace hfill".split()
_WIDE_SPACES = "quad qquad newline".split()
_TEXT = (
    "text textbf textit textrm textnormal textsf texttt textsc textup mathrm mathit mathsf mathtt mbox hbox "
    "operatorname emph mathnormal"
).split()
_RELATIONS = {
    "=": "eq doteq triangleq coloneqq",
    "!=": "ne neq not=",
    "<": "lt",
    "<=": "le leq leqslant leqq",
    ">": "gt",
    ">=": "ge geq geqslant geqq",
    "in": "in isin",
    "notin": "notin",
    "~": "approx sim simeq cong approxeq thickapprox",
    "equiv": "equiv",
}
_ACCENTS = (
    "mathbf bold boldsymbol bm pmb mathcal mathscr mathfrak vec hat widehat tilde widetilde bar overline "
    "underline overrightarrow dot ddot boxed fbox"
).split()

COMMANDS: dict[str, tuple[str, str]] = {name: ("fn", f) for name, f in FUNCTIONS.items()}
COMMANDS |= {name: ("name", name) for name in GREEK} | {name: ("name", g) for name, g in _VARIANTS.items()}
COMMANDS |= {name: ("skip", "") for name in _SKIPPED} | {name: ("space", "") for name in _SPACES}
COMMANDS |= {name: ("space", "wide") for name in _WIDE_SPACES}
COMMANDS |= {name: ("text", "") for name in _TEXT} | {name: ("accent", name) for name in _ACCENTS}
COMMANDS |= {name: ("rel", op) for op, names in _RELATIONS.items() for name in names.split()}
COMMANDS |= {name: ("frac", "") for name in "frac dfrac tfrac cfrac nicefrac sfrac".split()}
COMMANDS |= {name: ("binom", "") for name in "binom dbinom tbinom".split()}
COMMANDS |= {name: ("dots", "") for name in "ldots cdots dots dotsc dotsb dotsm vdots ddots".split()}
COMMANDS |= {name: ("*", "") for name in "cdot times ast bullet".split()} | {"div": ("/", "")}
COMMANDS |= {name: ("big", name) for name in "sum prod int lim".split()} | {"limit": ("big", "lim")}
COMMANDS |= {"cup": ("setop", "union"), "cap": ("setop", "intersection"), "bigcup": ("setop", "union")}
COMMANDS |= {"setminus": ("setop", "difference"), "backslash": ("setop", "difference")}
COMMANDS |= {"smallsetminus": ("setop", "difference")}
COMMANDS |= {name: ("empty", "") for name in "emptyset varnothing O".split()}
COMMANDS |= {
    "pi": ("const", "pi"),
    "varpi": ("const", "pi"),
    "infty": ("const", "oo"),
    "infin": ("const", "oo"),
}
COMMANDS |= {"imath": ("letter", "i"), "jmath": ("letter", "j")}
COMMANDS |= {"pm": ("pm", ""), "mp": ("mp", ""), "sqrt": ("sqrt", ""), "mathbb": ("mathbb", "")}
COMMANDS |= {"lbrace": ("lset", ""), "rbrace": ("rset", ""), "lbrack": ("[", ""), "rbrack": ("]", "")}
COMMANDS |= {"lparen": ("(", ""), "rparen": (")", "")}
COMMANDS |= {"langle": ("langle", ""), "rangle": ("rangle", ""), "vert": ("|", ""), "mid": ("mid", "")}
COMMANDS |= {"lvert": ("lbar", ""), "rvert": ("rbar", ""), "lVert": ("norm", ""), "rVert": ("norm", "")}
COMMANDS |= {"Vert": ("norm", ""), "lfloor": ("lfloor", ""), "rfloor": ("rfloor", "")}
COMMANDS |= {"lceil": ("lceil", ""), "rceil": ("rceil", ""), "degree": ("degree", ""), "prime": ("'", "")}
COMMANDS |= {"lor": ("or", ""), "vee": ("or", ""), "land": ("and", ""), "wedge": ("and", "")}
COMMANDS |= {"pmod": ("pmod", ""), "bmod": ("mod", ""), "mod": ("mod", ""), "to": ("to", "")}
COMMANDS |= {"rightarrow": ("to", ""), "colon": (":", ""), "choose": ("choose", ""), "over": ("over", "")}
COMMANDS |= {"partial": ("letter", "d"), "angle": ("figure", "angle"), "triangle": ("figure", "triangle")}
COMMANDS |= {"measuredangle": ("figure", "angle"), "pounds": ("currency", "£"), "euro": ("currency", "€")}
COMMANDS |= {
    "yen": ("currency", "¥"),
    "textdollar": ("currency", "$"),
    "tag": ("drop", ""),
    "label": ("drop", ""),
}
COMMANDS |= {name: ("drop", "") for name in "color textcolor hspace vspace".split()}
COMMANDS |= {"top": ("top", ""), "percent": ("percent", ""), "cbrt": ("cbrt", "")}

# Words of plain text, whatever their case.
WORDS: dict[str, tuple[str, str]] = {"and": ("and", ""), "or": ("or", ""), "mod": ("mod", "")}
WORDS |= {
    "modulo": ("mod", ""),
    "infinity": ("const", "oo"),
    "infty": ("const", "oo"),
    "inf": ("const", "oo"),
}
WORDS |= {"percent": ("percent", ""), "pct": ("percent", ""), "union": ("setop", "union")}
WORDS |= {"where": ("given", ""), "for": ("given", ""), "if": ("given", ""), "when": ("given", "")}
WORDS |= {"with": ("given", ""), "otherwise": ("otherwise", ""), "else": ("otherwise", "")}
# Words whose case matters, because other case is a product or another name.
NAMES: dict[str, tuple[str, str]] = {name: ("fn", f) for name, f in PLAIN_FUNCTIONS.items()}
NAMES |= {name.capitalize(): ("fn", f) for name, f in PLAIN_FUNCTIONS.items() if len(name) > 2}
NAMES |= {name: ("name", name) for name in GREEK if name not in ("ell", "nu", "mu", "xi", "Xi", "Pi")}
NAMES |= {"pi": ("const", "pi"), "Pi": ("const", "pi"), "PI": ("const", "pi"), "oo": ("const", "oo")}
NAMES |= {"sqrt": ("sqrt", ""), "Sqrt": ("sqrt", ""), "cbrt": ("cbrt", ""), "xor": ("word", "xor")}
NAMES |= {"frac": ("frac", "")}

CHARACTERS: dict[str, tuple[str, str]] = {c: (c, "") for c in "+-*/^_!'()[]{}|,:%&"}
CHARACTERS |= {";": (";", ""), "=": ("rel", "="), "<": ("rel", "<"), ">": ("rel", ">"), "≤": ("rel", "<=")}
CHARACTERS |= {
    "**": ("^", ""),
    "<=": ("rel", "<="),
    ">=": ("rel", ">="),
    "!=": ("rel", "!="),
    "==": ("rel", "="),
}
CHARACTERS |= {
    ":=": ("rel", "="),
    "...": ("dots", ""),
    "≥": ("rel", ">="),
    "≠": ("rel", "!="),
    "≈": ("rel", "~"),
}
CHARACTERS |= {"=<": ("rel", "<="), "->": ("to", ""), "<>": ("rel", "!="), "||": ("|", "")}
CHARACTERS |= {"€": ("currency", "€"), "£": ("currency", "£"), "¥": ("currency", "¥"), "₹": ("currency", "₹")}
ESCAPES: dict[str, tuple[str, str]] = {"{": ("lset", ""), "}": ("rset", ""), "%": ("percent", "")}
ESCAPES |= {"$": ("currency", "$"), "\\": ("row", ""), "|": ("norm", ""), "#": ("skip", "")}
ESCAPES |= {c: ("space", "") for c in ",;:!> ()[]/\n\t\r"} | {"&": ("skip", ""), "_": ("space", "")}

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₙₖᵢⱼₘ", "0123456789+-=()aeoxnkijm", strict=True))
SUPERSCRIPT = str.maketrans(_SUPERSCRIPTS)
SUBSCRIPT = str.maketrans(_SUBSCRIPTS)
RAISED = "".join(_SUPERSCRIPTS)
LOWERED = "".join(_SUBSCRIPTS)
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega phi epsilon mu"
).split()
_GREEK_LETTERS = dict(zip("αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΣΦΨΩϕϵµ", _GREEK_NAMES, strict=True))
_UNICODE = {c: f"\\{name} " for c, name in _GREEK_LETTERS.items()}
_UNICODE |= ASCII | {c: f"\\frac{f[0]}{f[2]}" for c, f in VULGAR.items()}
_UNICODE |= {
    "×": "\\times ",
    "⋅": "\\cdot ",
    "·": "\\cdot ",
    "∗": "*",
    "∙": "\\cdot ",
    "÷": "/",
    "⁄": "/",
    "∕": "/",
}
_UNICODE |= {
    "π": "\\pi ",
    "∞": "\\infty ",
    "°": "\\degree ",
    "√": "\\sqrt ",
    "∛": "\\cbrt ",
    "±": "\\pm ",
    "∓": "\\mp ",
}
_UNICODE |= {
    "∈": "\\in ",
    "∉": "\\notin ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∖": "\\setminus ",
    "∅": "\\emptyset ",
}
_UNICODE |= {
    "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}",
    "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}",
    "ℂ": "\\mathbb{C}",
}
_UNICODE |= {
    "⌊": "\\lfloor ",
    "⌋": "\\rfloor ",
    "⌈": "\\lceil ",
    "⌉": "\\rceil ",
    "⟨": "\\langle ",
    "⟩": "\\rangle ",
}
_UNICODE |= {
    "∑": "\\sum ",
    "∏": "\\prod ",
    "∫": "\\int ",
    "≡": "\\equiv ",
    "≅": "\\cong ",
    "∼": "\\sim ",
    "→": "\\to ",
}
_UNICODE |= {
    "…": "\\ldots ",
    "⋯": "\\cdots ",
    "′": "'",
    "″": "''",
    "’": "'",
    "‘": "'",
    "∧": "\\land ",
    "∨": "\\lor ",
}
_UNICODE |= {
    "∣": "\\mid ",
    "⩽": "\\leq ",
    "⩾": "\\geq ",
    "∠": "\\angle ",
    "△": "\\triangle ",
    "、": ",",
    "。": ".",
    "“": '"',
    "”": '"',
}
UNICODE = str.maketrans(_UNICODE)

# Environments whose rows are lines of text, not of a matrix.
ALIGNED = frozenset(
    "align aligned gather gathered split equation eqnarray multline displaymath math center".split()
)
MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array tabular".split())
CASES = frozenset("cases dcases rcases".split())
