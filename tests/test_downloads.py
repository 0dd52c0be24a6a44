"""Downloads against a real server on this machine that is slow, silent, forgetful, wrong or gone."""

import contextlib
import hashlib
import io
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from resattn.data import downloads
from resattn.data.downloads import Archive, DownloadError, Patience, fetch

CONTENT = np.random.default_rng(0).bytes(200_000)
QUICK = Patience(timeout=0.5, floor=1e6, window=0.2)


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


TAR = tar_of({"things/a": CONTENT, "things/b": b"second"})


class Mirror(BaseHTTPRequestHandler):
    """Serves TAR; the path says how badly. `seen` lists (path, first byte asked for or None)."""

    seen: list[tuple[str, int | None]]
    protocol_version = "HTTP/1.0"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else None
        self.server.seen.append((self.path, first))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client may give this mirror up
            getattr(self, self.path.strip("/").split("-")[0])(first or 0)

    def head(self, first: int, body: bytes = TAR, length: bool = True, says: int | None = None) -> bytes:
        self.send_response(206 if first else 200)
        if first:
            says = first if says is None else says
            self.send_header("Content-Range", f"bytes {says}-{len(body) - 1}/{len(body)}")
        if length:
            self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        return body[first:]

    def good(self, first: int) -> None:
        self.wfile.write(self.head(first))

    def unhurried(self, first: int) -> None:
        time.sleep(0.4)
        self.good(first)

    def unsized(self, first: int) -> None:
        self.wfile.write(self.head(first, length=False))

    def endless(self, first: int) -> None:
        self.wfile.write(self.head(0, bytes(2 * len(TAR)), length=False))

    def forgetful(self, first: int) -> None:  # knows no Range
        self.wfile.write(self.head(0))

    def cut(self, first: int) -> None:  # 60,000 bytes a connection
        self.wfile.write(self.head(first)[:60_000])

    def cutshort(self, first: int) -> None:  # knows no Range and never gets past the same byte
        self.wfile.write(self.head(0)[:60_000])

    def corrupt(self, first: int) -> None:
        self.wfile.write(self.head(first, TAR[:-50] + bytes(50)))

    def misplaced(self, first: int) -> None:  # sends another range than the one asked for
        self.wfile.write(self.head(first, says=0))

    def stall(self, first: int) -> None:
        self.wfile.write(self.head(first)[:120_000])
        self.wfile.flush()
        time.sleep(1.5)

    def trickle(self, first: int) -> None:  # about 200 kB/s
        body = self.head(first)
        for i in range(0, len(body), 4_000):
            self.wfile.write(body[i : i + 4_000])
            self.wfile.flush()
            time.sleep(0.02)

    def missing(self, first: int) -> None:
        self.send_error(404)

    def finished(self, first: int) -> None:
        self.send_error(416 if first else 404)

    def page(self, first: int) -> None:  # what a hotel network answers to everything
        body = b"<html>Please log in</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def archive(server, monkeypatch):
    """An archive with the mirrors /name of the server, in that order."""
    monkeypatch.setenv("no_proxy", "*")
    server.seen = []

    def make(*mirrors: str, tar: bytes = TAR) -> Archive:
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{m}" for m in mirrors)
        return Archive("CIFAR-10", "things.tar.gz", len(tar), hashlib.md5(tar).hexdigest(), "things", urls)

    return make


def check(folder: Path, root: Path) -> None:
    """The folder is whole, and nothing else is left beside it but the lock."""
    assert folder == root / "things"
    assert (folder / "a").read_bytes() == CONTENT and (folder / "b").read_bytes() == b"second"
    assert {p.name for p in root.iterdir()} <= {"things", ".things.tar.gz.lock"}


@pytest.mark.parametrize(
    ("mirrors", "asked"),
    [
        ("good", {"/good": 1}),
        ("unsized", {"/unsized": 1}),
        ("cut", {"/cut": 4}),
        ("missing good-2", {"/missing": 1, "/good-2": 1}),
        ("page good", {"/page": 1, "/good": 1}),
        ("endless good", {"/endless": 1, "/good": 1}),
        ("cutshort good", {"/cutshort": 2, "/good": 1}),
        ("corrupt good", {"/corrupt": 1, "/good": 1}),
        ("trickle good", {"/trickle": 1, "/good": 1}),
        ("trickle", {"/trickle": 1}),
    ],
)
def test_mirrors_are_tried_in_order_until_one_gives_the_archive(archive, server, tmp_path, mirrors, asked):
    check(fetch(archive(*mirrors.split()), tmp_path / "new", QUICK, progress=False), tmp_path / "new")
    assert Counter(path for path, _ in server.seen) == asked


def test_a_cut_connection_is_continued_where_it_ended(archive, server, tmp_path):
    fetch(archive("cut"), tmp_path, QUICK, progress=False)
    assert server.seen == [("/cut", None), ("/cut", 60_000), ("/cut", 120_000), ("/cut", 180_000)]


def test_a_stalled_mirror_is_given_up_and_the_next_one_continues(archive, server, tmp_path):
    check(fetch(archive("stall", "good"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen == [("/stall", None), ("/good", 120_000)]


def test_a_mirror_that_is_the_only_one_left_may_stall_and_go_on(archive, server, tmp_path):
    check(fetch(archive("stall"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen == [("/stall", None), ("/stall", 120_000)]


def test_a_slow_mirror_is_asked_again_without_a_floor_when_the_others_fail(archive, server, tmp_path):
    check(fetch(archive("trickle", "missing"), tmp_path, QUICK, progress=False), tmp_path)
    assert [path for path, _ in server.seen] == ["/trickle", "/missing", "/trickle"]
    assert server.seen[2][1] > 0  # and it continues


@pytest.mark.parametrize("mirror", ["good", "forgetful"])
def test_a_part_of_an_earlier_run_is_used_if_the_mirror_can_continue(archive, server, tmp_path, mirror):
    (tmp_path / "things.tar.gz.part").write_bytes(TAR[:70_000])
    check(fetch(archive(mirror), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen == [(f"/{mirror}", 70_000)]


@pytest.mark.parametrize("left", [bytes(70_000), bytes(len(TAR)), TAR + b"more"])
def test_a_damaged_part_costs_a_fresh_start_and_not_the_mirror(archive, server, tmp_path, left):
    (tmp_path / "things.tar.gz.part").write_bytes(left)
    check(fetch(archive("good"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen[-1] == ("/good", None)


@pytest.mark.parametrize("mirror", ["misplaced", "finished", "page"])
def test_an_answer_that_cannot_continue_the_part_leaves_it_alone(archive, tmp_path, mirror):
    part = tmp_path / "things.tar.gz.part"
    part.write_bytes(TAR[:70_000])
    with pytest.raises(DownloadError):
        fetch(archive(mirror), tmp_path, QUICK, progress=False)
    assert part.read_bytes() == TAR[:70_000]


def test_corrupt_everywhere_is_an_error_and_leaves_nothing(archive, tmp_path):
    with pytest.raises(DownloadError, match=r"wrong md5.*wrong md5"):
        fetch(archive("corrupt", "corrupt-2"), tmp_path, QUICK, progress=False)
    assert {p.name for p in tmp_path.iterdir()} <= {".things.tar.gz.lock"}


def test_offline_fails_at_once_and_says_what_to_do(archive, tmp_path):
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        start = time.monotonic()
        with pytest.raises(DownloadError) as caught:
            fetch(replace(archive(), mirrors=(gone + "a", gone + "b")), tmp_path, progress=False)
        assert time.monotonic() - start < 2
    message = str(caught.value)
    assert message.count("refused") == 2 and "\n" not in message
    assert "RESATTN_DATA" in message and "cifar10.npz" in message and "Scenes" in message


def test_an_archive_that_is_there_already_is_used_if_it_is_whole(archive, server, tmp_path):
    (tmp_path / "things.tar.gz").write_bytes(TAR)
    check(fetch(archive("good"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen == []


def test_a_damaged_archive_that_is_there_is_replaced(archive, server, tmp_path):
    (tmp_path / "things.tar.gz").write_bytes(TAR[:-1])
    check(fetch(archive("good"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen == [("/good", None)]


def test_no_file_is_unpacked_outside_the_folder(archive, tmp_path, server):
    evil = tar_of({"things/a": b"", "../../evil": b"!"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "things.tar.gz").write_bytes(evil)
    with pytest.raises(tarfile.FilterError):
        fetch(archive(tar=evil), tmp_path / "data", QUICK, progress=False)
    assert {p.name for p in tmp_path.rglob("*")} <= {"data", "things.tar.gz", ".things.tar.gz.lock"}


def test_a_folder_that_cannot_be_made_is_named(archive, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/data cannot be made a folder"):
        fetch(archive("good"), tmp_path / "file" / "data", QUICK)


def test_the_progress_bar_names_the_data_set_and_can_be_silenced(archive, tmp_path, capsys):
    fetch(archive("good"), tmp_path / "loud", QUICK)
    assert "CIFAR-10: 100%" in capsys.readouterr().err
    fetch(archive("good"), tmp_path / "quiet", QUICK, progress=False)
    assert capsys.readouterr() == ("", "")


# A process of its own that loads only the one module, so that it starts fast.
PROGRAM = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("downloads", sys.argv[1])
d = sys.modules["downloads"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(d)
a = d.Archive("CIFAR-10", "things.tar.gz", int(sys.argv[4]), sys.argv[5], "things", (sys.argv[3],))
print(d.fetch(a, pathlib.Path(sys.argv[2]), progress=False))
"""


def start(archive: Archive, root: Path) -> subprocess.Popen:
    call = [sys.executable, "-c", PROGRAM, downloads.__file__, str(root), archive.mirrors[0], str(archive.size)]
    return subprocess.Popen([*call, archive.md5], stdout=subprocess.PIPE, text=True)


def test_processes_that_start_together_share_one_download(archive, server, tmp_path):
    running = [start(archive("unhurried"), tmp_path) for _ in range(3)]
    assert [p.communicate(timeout=60)[0].strip() for p in running] == [str(tmp_path / "things")] * 3
    check(tmp_path / "things", tmp_path)
    assert server.seen == [("/unhurried", None)]


def test_a_killed_download_is_continued_by_the_next_run(archive, server, tmp_path):
    part = tmp_path / "things.tar.gz.part"
    with start(archive("trickle"), tmp_path) as running:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.kill()
    kept = part.stat().st_size
    assert 0 < kept < len(TAR) and not (tmp_path / "things").exists()
    check(fetch(archive("good"), tmp_path, QUICK, progress=False), tmp_path)
    assert server.seen[-1] == ("/good", kept)


@pytest.mark.parametrize("known", [downloads.CIFAR10, downloads.CIFAR100])
def test_the_known_archives_agree_with_torchvision(known):
    import torchvision

    reader = getattr(torchvision.datasets, known.title.replace("-", ""))
    assert (known.md5, known.filename, known.folder) == (reader.tgz_md5, reader.filename, reader.base_folder)
    assert reader.url in known.mirrors and known.mirrors[-1] == reader.url
    assert all(url.startswith("https://") and url.endswith("/" + known.filename) for url in known.mirrors)
