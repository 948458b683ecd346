"""What pyproject.toml cannot say: an installed library brings the shipped corpus, of which git has one copy."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CORPUS = Path("data", "text", "shakespeare.txt")


class WithCorpus(build_py):
    """Copy the corpus beside the module that opens it; an editable install reads it where it is."""

    def run(self):
        """Build as usual, then copy."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib, "ntmlib", "tasks", "text")
            self.mkpath(str(package))
            self.copy_file(str(CORPUS), str(package / CORPUS.name), preserve_mode=False)


setup(cmdclass={"build_py": WithCorpus})
