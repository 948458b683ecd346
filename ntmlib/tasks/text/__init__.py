"""Text to read: corpora, shipped or fetched, as numbered characters."""

from ntmlib.tasks.text.catalogue import CORPORA, cache_folder
from ntmlib.tasks.text.corpus import Corpus, open_corpus
from ntmlib.tasks.text.fetching import FetchFailed, fetch

__all__ = ["CORPORA", "Corpus", "FetchFailed", "cache_folder", "fetch", "open_corpus"]
