"""Which training texts repeat an evaluation set, where, and what to do about it."""

from curation.decontamination.files import FilesResult, decontaminate_files
from curation.decontamination.matches import MATCHES, RULES
from curation.decontamination.prompts import decontaminate_completions, decontaminate_prompts
from curation.decontamination.report import ACTIONS, REPORT, TOTALS, Decontamination, Settings
from curation.decontamination.rules import PRESETS, Rule, preset
from curation.decontamination.scan import Parts, Scanner

__all__ = [
    "ACTIONS",
    "MATCHES",
    "PRESETS",
    "REPORT",
    "RULES",
    "TOTALS",
    "Decontamination",
    "FilesResult",
    "Parts",
    "Rule",
    "Scanner",
    "Settings",
    "decontaminate_completions",
    "decontaminate_files",
    "decontaminate_prompts",
    "preset",
]
