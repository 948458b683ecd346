"""A web server on this computer, with the faults of those out there."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(ThreadingHTTPServer):
    """Serves the same bytes whatever is asked for.

    Attributes:
        data: what it serves.
        status: of its answers; an error has no data.
        ranges: whether it can begin in the middle.
        cut: bytes after which it closes the connection.
        says_size: whether it says beforehand how many bytes will come.
        asked: the range of each request so far, or None.
    """

    daemon_threads = True

    def __init__(self, data: bytes):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data, self.status, self.ranges, self.cut = data, 200, True, None
        self.says_size, self.asked = True, []
        self.url = f"http://127.0.0.1:{self.server_port}/corpus"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address) -> None:
        """Say nothing when somebody hangs up: the tests do."""

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server
        wanted = self.headers["Range"]
        site.asked.append(wanted)
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and site.ranges else 0
        status = site.status if site.status != 200 else 206 if begin else 200
        if status == 206 and begin >= len(site.data):
            status = 416
        body = site.data[begin:] if status < 400 else b""
        self.send_response(status)
        if site.says_size:
            self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(site.data) - 1}/{len(site.data)}")
        self.end_headers()
        self.wfile.write(body[: site.cut])

    def log_message(self, *_):
        """Be quiet."""
