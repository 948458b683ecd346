"""Which sockets the processes below one of ours listen on, as /proc tells."""

import ipaddress
import os
import re
from pathlib import Path

LISTENING = "0A"
Addresses = set[tuple[int, str, int]]  # process, address, port


def descendants(root: int) -> set[int]:
    """Return a process, and all that it and they have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, more = {root}, {root}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def listening(pids: set[int]) -> Addresses:
    """Return where these processes wait for connections (TCP) or for datagrams (UDP), over IPv4 and IPv6."""
    owners = {}
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if inode := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link)):
                    owners[inode[1]] = pid
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            _, local, _, state, *_, inode = line.split()[:10]
            if inode in owners and (state == LISTENING or table.startswith("udp")):
                address, _, port = local.partition(":")
                found.add((owners[inode], readable(address), int(port, 16)))
    return found


def readable(address: str) -> str:
    """Turn the hexadecimal words of /proc/net into an address; each word is in the order of the processor."""
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    found = ipaddress.ip_address(b"".join(words))
    return str(getattr(found, "ipv4_mapped", None) or found)  # ::ffff:127.0.0.1 is loopback too


def beyond_loopback(addresses: Addresses) -> Addresses:
    return {found for found in addresses if not ipaddress.ip_address(found[1]).is_loopback}
