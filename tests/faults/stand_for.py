"""Stands for a process that `sweep_zygote.py` forks: hands on its folder, input and outputs, and ends as that one ends.

Started as ``python -I -S stand_for.py SOCKET JOB [ARGUMENT ...]``, which takes some milliseconds instead of seconds.
"""

import json
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as zygote:
    zygote.connect(sys.argv[1])
    job = {"folder": os.getcwd(), "job": json.loads(sys.argv[2]), "arguments": sys.argv[3:]}
    socket.send_fds(zygote, [json.dumps(job).encode()], [0, 1, 2])
    status = int(zygote.recv(100) or 1 << 8)
if os.WIFSIGNALED(status):
    os.kill(os.getpid(), os.WTERMSIG(status))
    signal.pause()
sys.exit(os.WEXITSTATUS(status))
