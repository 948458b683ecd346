"""Text to read: corpora, shipped or fetched, as numbered characters, and the task of reading them."""

from ntmlib.tasks.text.catalogue import CORPORA, cache_folder
from ntmlib.tasks.text.corpus import Corpus, open_corpus
from ntmlib.tasks.text.fetching import FetchFailed, fetch
from ntmlib.tasks.text.reading import Text

__all__ = ["CORPORA", "Corpus", "FetchFailed", "Text", "cache_folder", "fetch", "open_corpus"]
