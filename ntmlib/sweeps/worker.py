"""The process of one cell: ``python -m ntmlib.sweeps.worker FOLDER``, started by ``cells.start``, never by hand.

The config comes as one line of JSON on standard input. When standard input closes, whoever started this process is
gone, and so it goes too; the last checkpoint is on disk, and going on from it changes no bit.
"""

import os
import signal
import sys
import threading

from ntmlib.sweeps.cells import DIVERGED, DONE, FAILED, INTERRUPTED, REFUSED
from ntmlib.training import Diverged, RunRefused, TrainConfig, train


def main() -> int:
    """Train one cell and return the exit status, as ``ntm train`` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # processes of Ray block it for their children too
    try:
        config = TrainConfig.from_json(sys.stdin.buffer.raw.readline().decode())  # type: ignore[union-attr]
        threading.Thread(target=_leave_with_the_parent, daemon=True).start()
        run = train(config, sys.argv[1], watch=lambda progress: None)  # watched runs show their history meanwhile
    except KeyboardInterrupt:
        return INTERRUPTED
    except Diverged as error:
        print(error, file=sys.stderr)
        return DIVERGED
    except RunRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    return INTERRUPTED if run.interrupted else DONE


def _leave_with_the_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
