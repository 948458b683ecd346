"""A Ray cluster of two nodes on this computer, one core each, for tests; both end with this process.

The address of the head and the process of the second node's raylet go to standard output, as JSON; whoever started
this closes its standard input when done. The caller sets RAY_AUTH_TOKEN and the like.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ntmlib.cluster.connection import children, end, leave_out_the_slow

MOST_STARTS = 5


def add(cluster, **more):
    """Start a node; a busy computer may need more than one try, because Ray waits for half a minute only."""
    for attempt in range(1, MOST_STARTS + 1):
        before = children()
        try:
            return cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=80_000_000, **more)
        except Exception as error:
            end(children() - before)
            print(f"{time.monotonic():.0f}: try {attempt}: {error}", file=sys.stderr)
            if attempt == MOST_STARTS:
                raise


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ntm-two-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        leave_out_the_slow(Path(folder))
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=False)
        add(cluster, include_dashboard=False)
        second = add(cluster)
        (raylet,) = second.all_processes["raylet"]
        print(json.dumps({"address": cluster.address, "raylet": raylet.process.pid}), flush=True)
        sys.stdin.read()
        cluster.shutdown()


if __name__ == "__main__":
    main()
