import pytest

from maedfer.data.manifest import carve_validation, read_manifest
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ManifestError


def write(folder, rows, header="path,label,label_set,subject,split"):
    for row in rows:
        (folder / row.split(",")[0]).touch()
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_reads_rows_in_order_with_class_indices(tmp_path):
    path = write(tmp_path, ["a.mp4,fear,DFEW,s1,train", "b.mp4,happiness,DFEW,s2,test"])
    manifest = read_manifest(path)
    assert manifest.targets(BASIC_EXPRESSIONS) == [6, 0]
    assert [entry.row for entry in manifest.part("test").entries] == [1]


def test_validation_is_carved_by_subject(tmp_path):
    rows = [f"{subject}{clip}.mp4,happy,DFEW,s{subject},train" for subject in range(8) for clip in range(3)]
    train, held = carve_validation(read_manifest(write(tmp_path, rows)), 0.25, seed=3)
    left = {entry.subject for entry in train.entries}
    right = {entry.subject for entry in held.entries}
    assert not left & right
    assert len(right) == 2
    assert len(train.entries) + len(held.entries) == 24


def test_digest_changes_with_a_file(tmp_path):
    path = write(tmp_path, ["a.mp4,fear,DFEW,s1,train"])
    before = read_manifest(path).digest()
    (tmp_path / "a.mp4").write_bytes(b"other")
    assert read_manifest(path).digest() != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'path'"),
        ("file,label\na,happy\n", "column 'path'"),
        ("path\n", "at least one clip"),
        ("path,split\n../out.mp4,train\n", "outside"),
        ("path,split\na.mp4,dev\n", "train, val, test"),
        ("path\nmissing.mp4\n", "missing.mp4"),
        ("path,label_set\na.mp4,DFEW\na.mp4,MAFW\n", "one label set"),
        ("path\n,\n", "empty"),
    ],
)
def test_a_malformed_manifest_is_named(tmp_path, text, message):
    (tmp_path / "a.mp4").touch()
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_manifest(path)


def test_unknown_label_is_named(tmp_path):
    manifest = read_manifest(write(tmp_path, ["a.mp4,bored,DFEW,s1,train"]))
    with pytest.raises(ManifestError, match="bored"):
        manifest.targets(BASIC_EXPRESSIONS)


def test_missing_split_says_what_is_there(tmp_path):
    manifest = read_manifest(write(tmp_path, ["a.mp4,fear,DFEW,s1,train"]))
    with pytest.raises(ManifestError, match="has train"):
        manifest.part("test")


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path, ["a.mp4,fear,DFEW,s1,train"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_manifest(path).entries[0].clip_id == "a.mp4"
