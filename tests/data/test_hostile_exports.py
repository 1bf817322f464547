"""Exports of labelling tools as somebody would write them who wants a command to break."""

import json
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from video_adapters.data.annotations import CreateML, Cvat, LabelStudio, Via
from video_adapters.data.annotations import tool_export as module
from video_adapters.data.annotations.tool_export import ToolExport

from helpers.tool_exports import annotation, box, cvat_task, cvat_xml, result, task, timeline, via_project

TRACK = f'<track id="0" label="run">{box(2)}{box(9, 1)}</track>'
XML = cvat_xml(cvat_task(1, "a.mp4"), TRACK)
TASKS = [
    task(1, "a.mp4", annotation([timeline("run", 1, 9)])),
    task(2, "b.mp4", annotation([timeline("sit", 1, 9)]), split="val"),
]
PROJECT = via_project(["a.mp4", "b.mp4"], {"k": {"vid": "1", "flg": 0, "z": [0, 1], "xy": [], "av": {"1": "0"}}})
ENTRIES = [{"video": "a.mp4", "label": "run", "start": 0, "end": "1:03.5"}, {"video": "b.mp4", "label": "sit"}]
JSON: dict[type[ToolExport], Any] = {LabelStudio: TASKS, Via: PROJECT, CreateML: ENTRIES}


def read(reader: type[ToolExport], folder: Path, content: bytes) -> None:
    """Reads all of an export; only a ValueError that names the file may come of it."""
    (folder / "export").write_bytes(content)
    for labels in ("one", "multi"):
        annotations = reader(str(folder), "export", labels=labels)  # type: ignore[arg-type]
        said = _said(annotations)
        assert said is None or ("export" in said or "is the name of no file" in said), said
        assert len(said or "") < 2000


def _said(annotations: ToolExport) -> str | None:
    try:
        for split in ("train", "val", "test"):
            if annotations.has(split):
                annotations.videos(split)
                annotations.groups(split)
    except ValueError as error:
        return str(error)
    return None


def changed(value: Any, by: Any) -> Iterator[Any]:
    """A document with each of its values in turn put in place of another."""
    yield by
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: one} for one in changed(inner, by))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from ([*value[:i], one, *value[i + 1 :]] for one in changed(inner, by))


@pytest.mark.parametrize("reader", JSON)
def test_whatever_stands_where_json_is_read_is_an_error_that_names_the_file(
    reader: type[ToolExport], tmp_path: Path
) -> None:
    documents = [text for by in (None, [], {}, "x", -1, 1e300, True) for text in changed(JSON[reader], by)]
    every = 1 + len(documents) // 60
    for document in documents[::every]:
        read(reader, tmp_path, json.dumps(document).encode())


@pytest.mark.slow
@pytest.mark.parametrize("reader", JSON)
def test_every_value_of_every_kind_is_survived(reader: type[ToolExport], tmp_path: Path) -> None:
    kinds = (None, [], {}, "x", "", -1, 0, 10**400, 1e300, True, [None], {"a": None}, "\ud800", "a" * 10**5, "../../x")
    for i, by in enumerate(kinds):
        for document in list(changed(JSON[reader], by))[i % 3 :: 3]:  # each place has five of the kinds
            read(reader, tmp_path, json.dumps(document).encode())


@pytest.mark.parametrize("reader", [*JSON, Cvat])
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"[", b"[" * 10**5, b"null", b"7", b"\xff\xfe\x00", b"<a", b'"x"', b"a,b\n1"]
)
def test_what_is_no_export_at_all_is_said(reader: type[ToolExport], content: bytes, tmp_path: Path) -> None:
    (tmp_path / "export").write_bytes(content)
    with pytest.raises(ValueError, match="export"):
        reader(str(tmp_path), "export").videos("train")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1", "[]"])
def test_numbers_that_are_none_are_refused(number: str, tmp_path: Path) -> None:
    (tmp_path / "export").write_text(f'[{{"video": "a.mp4", "label": "run", "start": {number}}}]')
    with pytest.raises(ValueError, match="is no time"):
        CreateML(str(tmp_path), "export").videos("train")


@pytest.mark.parametrize("frames", [(0, 10**30), (10**30, 10**30 + 1), (-5, 3), (1.5, 1e300), (True, 3), ("1", 3)])
def test_frames_that_no_video_has_are_refused(frames: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "export").write_text(json.dumps([task(1, "a.mp4", annotation([timeline("run", *frames)]))]))
    with pytest.raises(ValueError, match="is no number of a frame, expected 1 to"):
        LabelStudio(str(tmp_path), "export").videos("train")


# XML

TEN = [f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in pairwise("abcdefghij")]
LAUGHS = f"""<!DOCTYPE a [<!ENTITY a "ha">{"".join(TEN)}]>"""
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE, '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">', "<!DOCTYPE a>"])
def test_document_types_and_entities_are_refused(doctype: str, tmp_path: Path) -> None:
    head, rest = XML.split("\n", 1)
    (tmp_path / "annotations.xml").write_text(f"{head}\n{doctype}\n{rest.replace('a.mp4', '&a;')}")
    with pytest.raises(ValueError, match=r"annotations\.xml: it declares a document type or entities"):
        Cvat(str(tmp_path)).videos("train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("<annotations>", "<html>").replace("</annotations>", "</html>"),
            "its root is <html>",
        ),
        (lambda text: text.replace('frame="9"', 'frame="-9"'), "'-9' is no number of a frame"),
        (lambda text: text.replace('frame="9"', f'frame="{10**30}"'), "is no number of a frame"),
        (lambda text: text.replace('frame="9"', 'frame="٣"'), "is no number of a frame"),
        (lambda text: text.replace('frame="9"', ""), r"has not the form of CVAT's XML 1\.1: KeyError\('frame'\)"),
        (lambda text: text.replace('label="run"', ""), r"KeyError\('label'\)"),
        (lambda text: text.replace("task>", "thing>"), "has 0 tasks"),
        (lambda text: text.replace(TRACK, ""), "holds no labelled video: 1 stretch labelled by nobody"),
        (lambda text: text[:-30], "is no XML"),
        (lambda text: text.replace("a.mp4", "&a;"), "is no XML: undefined entity"),
    ],
)
def test_xml_of_another_form_is_said(change: Callable[[str], str], message: str, tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(change(XML))
    with pytest.raises(ValueError, match=rf"annotations\.xml.*{message}"):
        Cvat(str(tmp_path)).videos("train")


def test_a_zip_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "annotations.xml", "w") as file:
        file.writestr("annotations.xml", XML)
    with pytest.raises(ValueError, match="it is a zip: unpack it"):
        Cvat(str(tmp_path)).videos("train")


def test_deep_and_long_xml_costs_no_memory_and_no_stack(tmp_path: Path) -> None:
    deep = "<x>" * 10**5 + "</x>" * 10**5
    (tmp_path / "annotations.xml").write_text(XML.replace("</meta>", f"{deep}{'y' * 10**6}</meta>"))
    assert len(Cvat(str(tmp_path)).videos("train")) == 1


def test_damaged_xml_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    generator, content = np.random.default_rng(0), XML.encode()
    for _ in range(60):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), 3):
            damaged[place] = generator.integers(256)
        read(
            Cvat, tmp_path, bytes(damaged[: generator.integers(len(content))] if generator.random() < 0.3 else damaged)
        )


def test_an_export_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    (tmp_path / "annotations.xml").write_text(XML)
    with pytest.raises(ValueError, match=r"xml has \d+ bytes, expected an export of at most 100"):
        Cvat(str(tmp_path)).videos("train")


@pytest.mark.parametrize("name", ["\ud800", 5, ["a"], {"a": 1}])
def test_a_class_that_is_no_text_is_refused(name: object, tmp_path: Path) -> None:
    (tmp_path / "export").write_text(json.dumps([task(1, "a.mp4", annotation([result({"choices": [name]})]))]))
    with pytest.raises(ValueError, match=r"export: the class .* is no text"):
        LabelStudio(str(tmp_path), "export").videos("train")
