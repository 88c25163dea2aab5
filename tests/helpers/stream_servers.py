"""Servers on the loopback interface: HTTP, and RTSP if Debian's packages are installed."""

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

RTSP_SCRIPT = Path(__file__).with_name("rtsp_server.py")
Connection = Callable[["ImageServer"], None]


class ImageServer(http.server.SimpleHTTPRequestHandler):
    """Serves a folder's files, and `/cam` as MJPEG, written by the next of the server's `connections`.

    `/half/NAME` states the full length of a file and sends half of it.
    """

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/half/"):
            self.send_half(Path(self.directory) / self.path.removeprefix("/half/"))
            return
        if self.path != "/cam":
            super().do_GET()
            return
        connection = self.server.connections.pop(0) if self.server.connections else None
        if connection is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            connection(self)
        except OSError:
            return  # the client disconnected

    def send_half(self, path: Path) -> None:
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])

    def send_image(self, number: int) -> None:
        """Send one image of 64 x 48 pixels with brightness 5 x `number`."""
        jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 5 * number, np.uint8))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")


@contextmanager
def http_server(folder: Path, *connections: Connection) -> Iterator[str]:
    """Serve in a thread; yield the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(ImageServer, directory=str(folder)))
    server.daemon_threads = True
    server.connections = list(connections)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


def missing_for_rtsp() -> str:
    """Return why no RTSP server can run here; an empty string if it can."""
    python = system_python()
    if python is None:
        return "no system Python"
    found = subprocess.run([python, RTSP_SCRIPT, "--check"], capture_output=True, text=True, timeout=60, check=False)
    return "" if found.returncode == 0 else (found.stderr.strip().splitlines() or ["it failed"])[-1]


def system_python() -> str | None:
    """Return Debian's Python, which has its packages."""
    return shutil.which("python3", path="/usr/bin")


class RtspServer:
    """RTSP server in its own process; a context manager. `port` stays the same after a restart."""

    def __init__(self, video: Path) -> None:
        self._video = video
        self.port = "0"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [str(system_python()), str(RTSP_SCRIPT), self.port, str(self._video)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout
        self.port = self._process.stdout.readline().strip()
        assert self.port, "the RTSP server does not start"

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> "RtspServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
