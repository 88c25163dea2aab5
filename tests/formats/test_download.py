"""Paths and URLs, against a server on this machine."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from fairmot.formats.download import locate
from fairmot.utils.errors import InputError

CONTENT = b"weights, say" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    """Counts what it is asked for, in silence."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server over tmp_path/remote, and torch.hub's cache under tmp_path/hub."""
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "start.pth").write_bytes(CONTENT)
    (remote / f"net-{DIGEST[:8]}.pth").write_bytes(CONTENT)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(remote))) as http:
        http.asked = []
        http.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "hub" / "checkpoints"


def refusal(source, **options):
    with pytest.raises(InputError) as caught:
        locate(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_path_is_measured_and_checked(tmp_path):
    path = tmp_path / "start.pth"
    path.write_bytes(CONTENT)
    for sha256 in ("", DIGEST, DIGEST[:8].upper()):
        assert locate(path, sha256=sha256) == (path, len(CONTENT), DIGEST)
    assert str(locate(path)) == f"{path} (12,000 bytes, sha256 {DIGEST})"
    assert f"{path}: another file than asked for: sha256 {DIGEST}, wanted 00000000" in refusal(path, sha256="00000000")
    assert "no such file" in refusal(tmp_path / "none.pth")
    assert "a folder" in refusal(tmp_path)


def test_a_url_is_fetched_once_and_checked(server, cache):
    first = locate(f"{server.url}/start.pth", sha256=DIGEST.upper())
    assert first == (cache / "start.pth", len(CONTENT), DIGEST)
    assert locate(f"{server.url}/start.pth", sha256=DIGEST[:10]) == first
    assert server.asked == ["/start.pth"]
    assert [file.name for file in cache.iterdir()] == ["start.pth"]


def test_a_url_without_a_digest_is_refused_even_when_a_file_of_that_name_is_here(server, cache):
    """Two addresses may end in the same name."""
    cache.mkdir(parents=True)
    (cache / "start.pth").write_bytes(b"another network's")
    assert "needs the file's sha256" in refusal(f"{server.url}/start.pth")
    assert server.asked == []


def test_the_digits_in_a_file_s_name_count(server):
    assert locate(f"{server.url}/net-{DIGEST[:8]}.pth").sha256 == DIGEST


def test_nothing_is_fetched_without_a_digest(server, cache):
    assert "MODEL.WEIGHTS_SHA256" in refusal(f"{server.url}/start.pth")
    assert server.asked == []
    assert not cache.exists()


def test_another_content_is_refused_and_not_kept(server, cache):
    text = refusal(f"{server.url}/start.pth", sha256="0123456789")
    assert f"sha256 {DIGEST}, wanted 0123456789" in text
    assert list(cache.iterdir()) == []
    cache.joinpath("start.pth").write_bytes(b"another")
    assert "remove it to fetch it again" in refusal(f"{server.url}/start.pth", sha256=DIGEST)


def test_what_a_network_can_do_is_one_line(server, cache):
    assert "cannot be fetched: HTTP Error 404" in refusal(f"{server.url}/none.pth", sha256=DIGEST)
    assert "names no file" in refusal(f"{server.url}/", sha256=DIGEST)
    assert "cannot be fetched: [Errno 111]" in refusal("http://127.0.0.1:9/start.pth", sha256=DIGEST)
    assert list(cache.iterdir()) == []
