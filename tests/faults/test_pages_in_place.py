"""Pages appear whole or not at all: killed or without room at any file-system call, and read all the while."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trials import amount

pytestmark = pytest.mark.slow
READS = amount("NTM_FAULT_READS", 10_000)
FINALS = ("01-a.html", "01-a.ipynb", "01-a.json", "index.html")
Publish = Callable[..., tuple[str, int]]


@pytest.fixture(scope="module")
def publish() -> Iterator[Publish]:
    """Publish in a child of a process that is ready for it; answer how that ended, and how many calls it took."""
    command = [sys.executable, str(Path(__file__).with_name("publisher.py"))]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as publisher:
        assert publisher.stdout.readline() == "ready\n"

        def run(out: Path, version: int, **fault: Any) -> tuple[str, int]:
            publisher.stdin.write(json.dumps({"out": str(out), "version": version, **fault}) + "\n")
            publisher.stdin.flush()
            end, calls = json.loads(publisher.stdout.readline())
            return end, calls

        yield run
        publisher.stdin.close()


def broken(out: Path, *versions: int) -> list[str]:
    """Name the final files that are there and are not whole, or of none of these versions."""
    found = []
    for name in FINALS:
        try:
            text = (out / name).read_text("utf-8")
        except FileNotFoundError:
            continue
        whole = text.endswith("</html>\n") if name.endswith("html") else is_json(text)
        known = name == "index.html" or any(str(version) in text for version in versions)
        found += [] if whole and known else [name]
    return found


def is_json(text: str) -> bool:
    try:
        return bool(json.loads(text))
    except ValueError:
        return False


@pytest.mark.parametrize("fault", ["at", "full"])
@pytest.mark.parametrize("before", [False, True], ids=["first report", "second report"])
def test_no_call_at_which_a_report_dies_or_finds_no_room_leaves_half_a_page(publish, tmp_path, fault, before):
    end, calls = publish(tmp_path / "whole", 1)
    assert end == "done"
    assert calls >= 15
    struck = 0
    for call in range(1, calls + 1):
        out = tmp_path / str(call)
        if before:
            publish(out, 1)
        end, _ = publish(out, 2, **{fault: call})
        struck += end != "done"
        assert broken(out, 1, 2) == [], call
        assert publish(out, 3)[0] == "done"  # a rerun repairs
        assert broken(out, 3) == []
        assert sorted(path.name for path in out.iterdir()) == sorted(FINALS)
    assert struck >= 15


def polled(publish: Publish, out: Path, reads: int, **fault: Any) -> tuple[int, list[str]]:
    """Read the final files as fast as possible while pages are published; return how often, and what was broken."""
    publish(out, 1)
    over, count, found = threading.Event(), 0, []

    def writer() -> None:
        while not over.is_set():
            publish(out, 1, times=20, **fault)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        while count < reads:
            found += broken(out, *range(1, 22))
            count += len(FINALS)
    finally:
        over.set()
        thread.join()
    return count, found


def test_who_reads_ten_thousand_times_meanwhile_never_sees_half_a_page(publish, tmp_path):
    count, found = polled(publish, tmp_path / "out", READS)
    assert count >= READS
    assert found == []


def test_writing_to_the_final_name_would_be_caught(publish, tmp_path):
    """The planted fault, by both tests."""
    _, found = polled(publish, tmp_path / "out", 2000, naive=True)
    assert found
    _, calls = publish(tmp_path / "whole", 1, naive=True)
    half = 0
    for call in range(1, calls + 1):
        publish(tmp_path / str(call), 1, naive=True, at=call)
        half += len(broken(tmp_path / str(call), 1))
    assert half >= 10
