"""The 58 constraints of IFBench (arXiv 2507.02833), a module for each prefix.

`upstream` is allenai/IFBench at db69a6f, whose checkers rest on NLTK's trained sentence splitter and tagger,
SyllaPy and `emoji`; the tables here stand in for their data. A defect that many checks share: only ASCII
marks are punctuation, so curly quotes and dashes are letters or words.
"""

from verifiers.instructions.ifbench import count, custom, format, ratio, repeat, sentence, words

__all__ = ["count", "custom", "format", "ratio", "repeat", "sentence", "words"]
