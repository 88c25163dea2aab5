"""Files by path and URL, with a local HTTP server."""

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
    """Records the requested paths and logs nothing."""

    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Server of tmp_path/remote, with torch.hub's cache in tmp_path/hub."""
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "start.pth").write_bytes(CONTENT)
    (remote / f"net-{DIGEST[:8]}.pth").write_bytes(CONTENT)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(remote))) as http:
        http.requested = []
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


def test_path_is_verified(tmp_path):
    path = tmp_path / "start.pth"
    path.write_bytes(CONTENT)
    for sha256 in ("", DIGEST, DIGEST[:8].upper()):
        assert locate(path, sha256=sha256) == (path, len(CONTENT), DIGEST)
    assert str(locate(path)) == f"{path} (12,000 bytes, sha256 {DIGEST})"
    assert f"{path}: wrong content: sha256 {DIGEST}, expected 00000000" in refusal(path, sha256="00000000")
    assert "no such file" in refusal(tmp_path / "none.pth")
    assert "is a folder" in refusal(tmp_path)


def test_url_is_downloaded_once_and_verified(server, cache):
    first = locate(f"{server.url}/start.pth", sha256=DIGEST.upper())
    assert first == (cache / "start.pth", len(CONTENT), DIGEST)
    assert locate(f"{server.url}/start.pth", sha256=DIGEST[:10]) == first
    assert server.requested == ["/start.pth"]
    assert [file.name for file in cache.iterdir()] == ["start.pth"]


def test_url_without_digest_is_refused_even_if_the_file_exists(server, cache):
    """Two URLs may end with the same file name."""
    cache.mkdir(parents=True)
    (cache / "start.pth").write_bytes(b"another network's")
    assert "needs the file's sha256" in refusal(f"{server.url}/start.pth")
    assert server.requested == []


def test_digest_in_a_file_name_is_used(server):
    assert locate(f"{server.url}/net-{DIGEST[:8]}.pth").sha256 == DIGEST


def test_nothing_is_downloaded_without_a_digest(server, cache):
    assert "MODEL.WEIGHTS_SHA256" in refusal(f"{server.url}/start.pth")
    assert server.requested == []
    assert not cache.exists()


def test_wrong_content_is_refused_and_not_kept(server, cache):
    text = refusal(f"{server.url}/start.pth", sha256="0123456789")
    assert f"sha256 {DIGEST}, expected 0123456789" in text
    assert list(cache.iterdir()) == []
    cache.joinpath("start.pth").write_bytes(b"another")
    assert "remove the file to download it again" in refusal(f"{server.url}/start.pth", sha256=DIGEST)


def test_failed_download_is_one_line(server, cache):
    assert "cannot be downloaded: HTTP Error 404" in refusal(f"{server.url}/none.pth", sha256=DIGEST)
    assert "no file name in the URL" in refusal(f"{server.url}/", sha256=DIGEST)
    assert "cannot be downloaded: [Errno 111]" in refusal("http://127.0.0.1:9/start.pth", sha256=DIGEST)
    assert list(cache.iterdir()) == []
