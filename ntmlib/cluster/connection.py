"""A connection to Ray: to a cluster that is there, or to one of our own on this computer that nobody else can reach."""

import contextlib
import importlib.util
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.cluster import errand

SECONDS_TO_ANSWER = 5.0
MOST_STARTS = 5
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # with 0, on Linux too
# A grammar of addresses. Jupyter brings it along; jsonschema, which every process of Ray imports, takes it where it is,
# and it takes longer to import than all of Ray.
SLOW_TO_IMPORT = "rfc3987_syntax"


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        code: its status, negative for a signal; None where nobody saw it end.
        reason: where the status alone would not tell; empty otherwise.
        lost: whether something outside took the process away: it is not to blame, and may be tried elsewhere.
    """

    code: int | None
    reason: str = ""
    lost: bool = False


class Connection:
    """Tasks on a cluster, each of which is one process of ours.

    Without an address a cluster of this computer only is started, and ended when the block is left: it listens on
    loopback only, and its token is in no file. With one, the cluster is joined as its own environment says.

    Args:
        address: HOST:PORT of the cluster's head, or "auto" for the one this computer is part of; None for our own.
        cpus: cores that tasks on a cluster of our own may use together.
        gpus: GPUs, likewise; None for all there are.

    Raises:
        ValueError: Ray is not installed, the address is none, or there is no token for the cluster.
    """

    def __init__(self, address: str | None, *, cpus: int, gpus: int | None = None) -> None:
        if address is not None:
            _check(address)
        if importlib.util.find_spec("ray") is None:
            raise ValueError(
                "engine ray needs the package ray: `make cluster` in a checkout, or pip install 'ntmlib[cluster]'"
            )
        self._address, self._cpus, self._gpus = address, cpus, gpus
        self._ray: Any = None
        self._folder: str | None = None

    def __enter__(self) -> "Connection":
        """Connect.

        Raises:
            ConnectionError: nobody answers, or who does is no cluster that lets us in; or Ray does not start here.
        """
        # All of this is read when Ray is imported, and what the user has set stays.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a task without a GPU keeps what it sees
        with _own_termination():
            if self._address is None:
                self._start_our_own()
            else:
                self._join(self._address)
        return self

    def _start_our_own(self) -> None:
        os.environ[LOOPBACK_ONLY] = "0"
        os.environ.setdefault("RAY_worker_niceness", "0")  # as in the local pool; with 15 everything else comes first
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:  # else Ray writes a token to a file that all may read
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["PYTHONPATH"] = errand.environment().get("PYTHONPATH", "")
        self._folder = tempfile.mkdtemp(prefix="ntm-ray-")  # for our eyes only, unlike the /tmp/ray of all
        leave_out_the_slow(Path(self._folder))
        import ray

        try:
            for attempt in range(1, MOST_STARTS + 1):
                before = children()
                try:
                    ray.init(
                        "local",
                        num_cpus=self._cpus,
                        num_gpus=self._gpus,
                        object_store_memory=80_000_000,  # the least it takes; nothing of ours goes there
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        _temp_dir=f"{self._folder}/ray",
                    )
                    break
                except Exception as error:
                    end(children() - before)
                    # Ray's processes have half a minute to find each other, which a busy computer may exceed.
                    if attempt == MOST_STARTS or "timed out during startup" not in str(error):
                        raise ConnectionError(f"Ray does not start here: {_first_line(error)}") from error
        except BaseException:
            self.__exit__()
            raise
        self._ray = ray

    def _join(self, address: str) -> None:
        if address != "auto":
            host, _, port = address.rpartition(":")
            host = host.strip("[]")
            try:
                socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
            except OSError as error:
                raise ConnectionError(f"no cluster answers at {address}: {error.strerror or error}") from error
            if host in ("localhost", "::1") or host.startswith("127."):
                os.environ[LOOPBACK_ONLY] = "0"  # else Ray takes the address of this computer instead
        import ray

        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # of many kinds: no such cluster, wrong token, another version
            raise ConnectionError(f"cannot join the cluster at {address}: {_first_line(error)}") from error
        self._ray = ray

    def __exit__(self, *_: object) -> None:
        """Disconnect; a cluster of our own ends."""
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def submit(
        self,
        arguments: Sequence[str],
        message: bytes,
        log: str,
        *,
        cpus: float,
        gpus: float,
        busy: int | None = None,
        patience: float = 0.0,
        stop_by_closing: bool = False,
    ) -> "Submitted":
        """Hand over one process, see ``errand.run``; it starts when the cluster has room for it.

        Args:
            arguments: see ``errand.start``.
            message: see ``errand.start``.
            log: see ``errand.start``.
            cpus: cores that Ray sets aside, at most 1 or whole.
            gpus: GPUs that Ray sets aside, at most 1 or whole.
            busy: see ``errand.run``.
            patience: see ``errand.run``.
            stop_by_closing: see ``errand.run``.
        """
        # Ray itself tries nothing again: who asked for the process counts, and knows what a failure is.
        task = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(errand.run)
        return Submitted(self._ray, task.remote(tuple(arguments), message, log, busy, patience, stop_by_closing))


class Submitted:
    """A process that waits for room on a cluster, runs there, or has ended."""

    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray, self._reference = ray, reference

    def wait(self) -> Ending:
        """Wait until it has ended, and say how."""
        problems = self._ray.exceptions
        try:
            code, host = self._ray.get(self._reference)
        except problems.TaskCancelledError:
            return Ending(None, "cancelled")
        except problems.OutOfMemoryError:  # Ray ends the task that asked last: more often than not it is to blame
            return Ending(None, "its node ran out of memory")
        except problems.NodeDiedError:
            return Ending(None, "its node was lost", lost=True)
        except (problems.WorkerCrashedError, problems.LocalRayletDiedError):
            return Ending(None, "the worker of Ray that waited for it died", lost=True)
        except problems.RayError as error:
            return Ending(None, _first_line(error))
        if code == errand.NO_FOLDER:
            return Ending(None, f"its folder is not on {host}: a cluster needs a file system that all nodes share")
        return Ending(code)

    def interrupt(self) -> None:
        """Ask it to stop by itself, as Ctrl-C does."""
        self._ray.cancel(self._reference, force=False)

    def kill(self) -> None:
        """End it at once."""
        self._ray.cancel(self._reference, force=True)


@contextlib.contextmanager
def _own_termination() -> Iterator[None]:
    """Keep what this process does at SIGTERM: Ray would have it leave at once, without a word."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def children() -> set[int]:
    """Return the processes that this one has started and that are there; none where the system has no /proc."""
    mine, found = str(os.getpid()), set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1] == mine:
                found.add(int(stat.parent.name))
    return found


def end(pids: Iterable[int]) -> None:
    """End processes at once: those of a Ray that did not start, which would be in the way of the next."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def leave_out_the_slow(folder: Path) -> None:
    """Let this process and those it starts import Ray in a third of the time, see ``SLOW_TO_IMPORT``.

    Args:
        folder: for a module that says it is not there; Ray's processes find it first.
    """
    sys.modules.setdefault(SLOW_TO_IMPORT, None)  # type: ignore[arg-type]  # which is how one says so
    (folder / f"{SLOW_TO_IMPORT}.py").write_text('raise ImportError("left out")\n', "utf-8")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


def _check(address: str) -> None:
    """Refuse an address that is none, or a cluster that we have no token for."""
    if address != "auto" and not re.fullmatch(r"[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}", address):
        raise ValueError(f"address must be HOST:PORT of the cluster's head, or auto; got {address!r}")
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if not file.is_file():
        raise ValueError(
            f"address needs the token of the cluster, in RAY_AUTH_TOKEN or in a file that RAY_AUTH_TOKEN_PATH names; "
            f"got neither, and there is no {file}"
        )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
