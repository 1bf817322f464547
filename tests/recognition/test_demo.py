"""The demo: what it answers of a video, and whom."""

import errno
import http.client
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from video_adapters.recognition import Recognizer, demo_answer
from video_adapters.recognition.demo_answer import answer, looked
from video_adapters.recognition.demo_server import FILES, MOST_BYTES, PAGE, DemoServer, Handler
from video_adapters.recognition.timeline import Timeline, Window

from helpers.colours import coloured

VIDEO = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def server(recognizer: Recognizer) -> Iterator[DemoServer]:
    with DemoServer(recognizer, "colours") as served:
        Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        yield served
        served.shutdown()


def ask(server: DemoServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    answered = connection.getresponse()
    return answered.status, answered.read(), answered.headers


def recognise(server: DemoServer, video: bytes, query: str = "window=0.4&stride=0.2") -> list[dict[str, Any]]:
    status, content, _ = ask(server, "POST", f"/recognise?{query}", video, **VIDEO)
    assert status == 200
    return [json.loads(line) for line in content.splitlines()]


def test_a_video_is_answered_in_parts_and_leaves_nothing(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    video = coloured(tmp_path / "x.mp4", [("green", 20), ("blue", 10)]).read_bytes()
    parts = recognise(server, video)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert parts[0]["seconds"] == pytest.approx(1)
    assert [one["name"] for one in parts[1]["classes"] if one["named"]] == ["green"]
    assert parts[2]["looked"] == {"why_not": "the network has no encoder whose attention could be seen"}
    windows = [window for part in parts if "windows" in part for window in part["windows"]]
    assert [(round(w["start"], 3), round(w["end"], 3)) for w in windows] == [(0, 0.4), (0.2, 0.6), (0.4, 0.8), (0.6, 1)]
    assert [w["classes"][0]["name"] for w in windows] == ["green", "green", "green", "blue"]
    assert parts[-1] == {"done": True}


def test_what_cannot_be_recognised_is_refused_in_words(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content, reason in {
        b"a letter": "is no video, or so damaged",
        b"#EXTM3U\nfile:///etc/passwd": "is a playlist (HLS), no video",
        b"<MPD>": "no video",
    }.items():
        (refusal,) = recognise(server, content)
        assert reason in refusal["refused"]
        assert "/tmp" not in refusal["refused"]
    video = coloured(tmp_path / "x.mp4", [("red", 30)]).read_bytes()
    assert recognise(server, video, "window=a&stride=1") == [
        {"refused": "the window and the stride are to be numbers of seconds"}
    ]
    assert "expected at least" in recognise(server, video, "window=1&stride=0")[0]["refused"]
    monkeypatch.setattr(demo_answer, "MOST_WINDOWS", 5)
    assert (
        "makes more than 5 windows every 0.1 seconds" in recognise(server, video, "window=0.1&stride=0.1")[0]["refused"]
    )
    monkeypatch.setattr(demo_answer, "MOST_SECONDS", 0.5)
    assert recognise(server, video) == [
        {"refused": "is 1 s long, and the demo takes 0 s: predict.py --window takes any"}
    ]


def test_a_fault_of_ours_is_told_here_and_the_page_hears_of_it(
    server: DemoServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("video_adapters.recognition.demo_server.answer", lambda *_: 1 / 0)
    assert "which is no fault of the video" in recognise(server, b"x")[0]["refused"]
    assert "ZeroDivisionError" in caplog.text


def test_a_full_disk_and_a_page_that_is_not_there_are_told(
    server: DemoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Handler, "_receive", full)
    status, content, _ = ask(server, "POST", "/recognise?window=1&stride=1", b"x", **VIDEO)
    assert (status, json.loads(content)["refused"].rpartition(": ")[2]) == (507, "No space left on device")
    monkeypatch.setattr("video_adapters.recognition.demo_server.PAGE", tmp_path)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server, "GET", "/")
    assert "page.html" in caplog.text


def test_a_browser_that_has_gone_is_no_error(server: DemoServer, caplog: pytest.LogCaptureFixture) -> None:
    for error in (ConnectionResetError(), TimeoutError()):
        try:
            raise error
        except OSError:
            server.handle_error(None, None)
    assert not caplog.records


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "", "localhost.", "10.0.0.1"])
def test_hosts_that_are_not_this_machine_are_refused(server: DemoServer, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/about"), ("POST", "/recognise?window=1&stride=1")):
        status, content, _ = ask(server, method, path, Host=host)
        assert status == 421
        assert b"127.0.0.1 alone" in content


def test_pages_from_elsewhere_can_neither_send_nor_read(server: DemoServer) -> None:
    path, own = "/recognise?window=1&stride=1", f"127.0.0.1:{server.server_address[1]}"
    assert ask(server, "POST", path, b"x", Origin="https://evil.example", **VIDEO)[0] == 403
    assert ask(server, "POST", path, b"x", Origin="null", **VIDEO)[0] == 403
    for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
        assert ask(server, "POST", path, b"x", Content_Type=kind)[0] == 415  # what a form may send without asking
    assert ask(server, "OPTIONS", path, Origin="https://evil.example")[0] == 501
    status, _, headers = ask(server, "POST", path, b"x", Origin=f"http://{own}", Host=own, **VIDEO)
    assert status == 200
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_bodies_are_bounded_and_paths_of_the_client_are_none_of_the_disk(server: DemoServer) -> None:
    assert ask(server, "POST", "/recognise", Content_Length=str(MOST_BYTES + 1), **VIDEO)[0] == 413
    assert ask(server, "POST", "/recognise", Content_Length="-1", **VIDEO)[0] == 411
    assert ask(server, "POST", "/elsewhere", b"x", **VIDEO)[0] == 404
    for path in ("/../demo_server.py", "/demo_page/page.html", "//etc/passwd", "/style.css/..", "/%2e%2e/x"):
        assert ask(server, "GET", path)[0] == 404, path


def test_the_page_needs_nothing_from_elsewhere(server: DemoServer) -> None:
    for path, (name, kind) in FILES.items():
        status, content, headers = ask(server, "GET", path)
        assert (status, content) == (200, (PAGE / name).read_bytes())
        assert headers["Content-Type"].startswith(kind)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert not {"unsafe-inline", "unsafe-eval", "http:", "https:"} & set(policy.split())
        text = content.decode()
        assert "://" not in text
        assert not [word for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in text]


def test_a_taken_port_is_said(server: DemoServer, recognizer: Recognizer) -> None:
    port = server.server_address[1]
    with pytest.raises(ValueError, match=f"--port {port} is taken: choose another, or 0 for any that is free"):
        DemoServer(recognizer, "x", port)
    with pytest.raises(ValueError, match="--port is 99999, expected 1 to 65535"):
        DemoServer(recognizer, "x", 99999)


def test_several_labels_are_those_that_reach_their_thresholds(recognizer: Recognizer, tmp_path: Path) -> None:
    recognizer.thresholds = (0.9, 0.9, 0.9)
    video = coloured(tmp_path / "x.mp4", [("green", 15), ("blue", 15)])
    parts: list[dict[str, Any]] = []
    answer(recognizer, video, 0.5, 0.25, parts.append)
    assert [one["named"] for one in parts[1]["classes"]] == [False, False, False]
    named = [[c["name"] for c in w["classes"] if c["named"]] for p in parts for w in p.get("windows", ())]
    assert named == [["green"], [], ["blue"]]


def test_no_class_that_a_window_shows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_answer, "SHOWN_OF_WINDOW", 1)
    chances, names = np.array([[0.5, 0.3, 0.2]], np.float32), ("red", "green", "blue")
    part = Timeline(names, (Window(0, 1, range(9)),), chances, thresholds=(0.9, 0.9, 0.1))
    (window,) = demo_answer._windows(part)
    assert [(one["name"], one["named"]) for one in window["classes"]] == [("red", False), ("blue", True)]


@pytest.mark.slow
def test_where_it_looks_is_a_shade_over_each_frame(trained: Path, tmp_path: Path) -> None:
    recognizer = Recognizer.from_checkpoint(trained / "checkpoints" / "best.ckpt", device="cpu")
    shown = looked(recognizer, coloured(tmp_path / "x.mp4", [("green", 17)]))
    assert len(shown["frames"]) == 8
    assert all(one[part].startswith("data:image/png;base64,") for one in shown["frames"] for part in ("frame", "shade"))
    assert [round(one["time"] * 30) for one in shown["frames"]] == [1, 3, 5, 7, 9, 11, 13, 15]
    assert "Attention of block" in shown["about"]
