"""Formal languages: which texts belong to one, and which brackets may come next."""

from ntmlib.tasks.languages.base import Language
from ntmlib.tasks.languages.brackets import Dyck
from ntmlib.tasks.languages.next_symbols import NextSymbols
from ntmlib.tasks.languages.recognition import LANGUAGES, Recognition

__all__ = ["LANGUAGES", "Dyck", "Language", "NextSymbols", "Recognition"]
