"""Tables and lists as spreadsheets and editors save them: other delimiters, other encodings, -1 for no class."""

from pathlib import Path

import pytest

from video_adapters.data.annotations import UNLABELLED, VideoList, VideoTable

ROWS = [
    ("path", "label", "split"),
    ("a.mp4", "öffnen", "train"),
    ("b.mp4", "schließen", "train"),
    ("c.mp4", "öffnen", "val"),
]


def written(folder: Path, delimiter: str = ",", encoding: str = "utf-8", rows: list[tuple[str, ...]] = ROWS) -> str:
    """The rows as a table in a folder -> the folder."""
    text = "".join(f"{delimiter.join(row)}\r\n" for row in rows)
    (folder / "videos.csv").write_bytes(text.encode(encoding))
    return str(folder)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_read_as_it_was_saved(delimiter: str, encoding: str, tmp_path: Path) -> None:
    table = VideoTable(written(tmp_path, delimiter, encoding))
    assert table.class_names == ("schließen", "öffnen")
    assert [(Path(path).name, label) for path, label, *_ in table.videos("train")] == [("a.mp4", 1), ("b.mp4", 0)]


def test_empty_lines_before_the_header_are_no_header(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("\n\npath;label\na.mp4;run\nb.mp4;run\n")
    assert VideoTable(str(tmp_path)).class_names == ("run",)


@pytest.mark.parametrize("line", ["b.mp4;run;1", "b.mp4;run;x;0", ";run;0;4"])
def test_errors_name_the_line_however_many_empty_ones_come_before(line: str, tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text(f"\n\npath;label;start;stop\n\na.mp4;run;0;9\n\n{line}\n")
    with pytest.raises(ValueError, match=r"videos\.csv, line 7: "):
        VideoTable(str(tmp_path)).videos("train")


def test_a_video_that_stands_twice_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("path,label\na.mp4,run\n\n\na.mp4,sit\n")
    with pytest.raises(ValueError, match=r"videos\.csv, line 5: .*a\.mp4 stands further up too, in another class"):
        VideoTable(str(tmp_path)).videos("train")


def test_a_table_in_another_encoding_says_which_key_reads_it(tmp_path: Path) -> None:
    root = written(tmp_path, encoding="cp1252")
    with pytest.raises(ValueError, match=r"csv, line 2: .* data\.annotations\.encoding=cp1252 reads 'öffnen' there"):
        VideoTable(root).videos("train")
    assert VideoTable(root, encoding="cp1252").class_names == ("schließen", "öffnen")
    with pytest.raises(ValueError, match=r"is not in utf-8: .*set data\.annotations\.encoding"):
        VideoTable(root, encoding="utf-8").videos("train")
    with pytest.raises(ValueError, match=r"data\.annotations\.encoding=cp-125x is no encoding"):
        VideoTable(root, encoding="cp-125x").videos("train")


def test_a_path_in_another_encoding_is_told_from_a_name_of_any_bytes(tmp_path: Path) -> None:
    root = written(tmp_path, encoding="cp1252", rows=[("path", "label"), ("ä.mp4", "0"), ("b.mp4", "0")])
    paths = [video.path for split in ("train", "val") for video in VideoTable(root).videos(split)]
    assert str(tmp_path / "\udce4.mp4") in paths  # the bytes as they stand there
    (tmp_path / "ä.mp4").touch()
    with pytest.raises(ValueError, match=r"line 2: .*encoding=cp1252 reads 'ä\.mp4'"):
        VideoTable(root).videos("train")
    (tmp_path / "train.txt").write_bytes("ä.mp4 0\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"train\.txt, line 1: .*encoding=cp1252 reads 'ä\.mp4'"):
        VideoList(root, train="train.txt").videos("train")
    assert VideoList(root, train="train.txt", encoding="cp1252").videos("train")[0].path == str(tmp_path / "ä.mp4")


def test_class_names_of_a_list_may_be_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("öffnen\nschließen\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"classes\.txt, line 1: .*encoding=cp1252 reads 'öffnen'"):
        _ = VideoList(str(tmp_path), classes="classes.txt").class_names
    assert VideoList(str(tmp_path), classes="classes.txt", encoding="cp1252").class_names == ("öffnen", "schließen")
    (tmp_path / "classes.txt").write_bytes("öffnen\nschließen\n".encode("utf-16"))
    assert VideoList(str(tmp_path), classes="classes.txt").class_names == ("öffnen", "schließen")


def test_a_delimiter_may_be_named(tmp_path: Path) -> None:
    root = written(tmp_path, "\t")
    assert len(VideoTable(root, delimiter="tab").videos("train")) == 2
    with pytest.raises(ValueError, match=r"must have one of the columns label, .* \(data\.annotations\.delimiter is"):
        VideoTable(written(tmp_path, "*")).videos("train")
    assert len(VideoTable(root, delimiter="*").videos("train")) == 2
    with pytest.raises(
        ValueError, match=r"data\.annotations\.delimiter is '::', expected one character, or one of: comma"
    ):
        VideoTable(root, delimiter="::")


def test_capitals_and_blanks_in_a_header_make_no_difference(tmp_path: Path) -> None:
    rows = [("Path", " Label", "SPLIT "), *ROWS[1:]]
    assert len(VideoTable(written(tmp_path, rows=rows)).videos("train")) == 2


def test_what_is_no_text_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_bytes(b"path,label\na\0b,c\n")
    with pytest.raises(ValueError, match=r"videos\.csv is no text: it holds zero bytes"):
        VideoTable(str(tmp_path)).videos("train")


@pytest.mark.parametrize("names", ["01", ("run", "sit")])
def test_minus_one_is_no_class_and_shifts_none(names: str, tmp_path: Path) -> None:
    labels = [names[0], names[1], "-1"]
    rows = [
        ("path", "label", "split"),
        *((f"{i}.mp4", one, "test" if one == "-1" else "train") for i, one in enumerate(labels)),
    ]
    table = VideoTable(written(tmp_path, rows=rows))
    assert table.class_names == (() if names == "01" else names)
    assert table.videos("train").labels.tolist() == [0, 1]
    assert table.videos("test").labels.tolist() == [UNLABELLED]
    assert table.num_classes == 2
