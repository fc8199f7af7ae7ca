import pytest

from maedfer.data.manifest import COLUMNS, carve_validation, read_manifest, write_manifest
from maedfer.data.root import Root
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
        ("path,label_set\na.mp4,AFEW\n", "AFEW.*leave label_set empty"),
        ("path,crop\na.mp4,tight\n", "line 2: expected crop face, none"),
        ("path,fold\na.mp4,0\n", "line 2: expected a positive number as fold"),
        ("path,fold\na.mp4,1.5\n", "line 2: expected a whole number"),
        ("path,fold\na.mp4,100000\n", "line 2: expected a whole number from 1 to 1000"),
        ("path,frames\na.mp4,many\n", "line 2: expected a positive number as frames"),
        ("path,fps\na.mp4,inf\n", "line 2: expected a positive number as fps"),
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


def test_a_fold_trains_on_all_others(tmp_path):
    rows = [f"{number}.mp4,happy,RAVDESS,s{number},{number % 3 + 1}" for number in range(7)]
    manifest = read_manifest(
        write(tmp_path, [*rows, "none.mp4,happy,RAVDESS,s9,"], "path,label,label_set,subject,fold")
    )
    assert manifest.folds() == (1, 2, 3)
    for fold in manifest.folds():
        train, test = manifest.fold_parts(fold)
        assert {entry.fold for entry in test.entries} == {fold}
        assert {entry.fold for entry in train.entries} == {1, 2, 3} - {fold}
        assert len(train.entries) + len(test.entries) == 7  # without a fold, a clip is in no part
        assert not {entry.subject for entry in train.entries} & {entry.subject for entry in test.entries}
    with pytest.raises(ManifestError, match=r"expected fold 4, the file has 1, 2, 3"):
        manifest.fold_parts(4)


def test_one_fold_alone_leaves_nothing_to_train_on(tmp_path):
    manifest = read_manifest(write(tmp_path, ["a.mp4,1"], "path,fold"))
    with pytest.raises(ManifestError, match="only one"):
        manifest.fold_parts(1)


def test_what_is_written_is_read(tmp_path):
    row = dict(
        zip(COLUMNS, ('é, "1".mp4', "happy", "DFEW", "s1", "test", "2", "64", "29.97", "face", "ab" * 32), strict=True)
    )
    (tmp_path / row["path"]).touch()
    (tmp_path / "b.mp4").touch()
    write_manifest(tmp_path / "m.csv", [row, {"path": "b.mp4", "note": "kept out"}])
    first, second = read_manifest(tmp_path / "m.csv").entries
    assert (first.clip_id, first.label, first.subject, first.split) == (row["path"], "happy", "s1", "test")
    assert (first.fold, first.frames, first.fps, first.crop, first.sha256) == (2, 64, 29.97, "face", "ab" * 32)
    assert (second.label, second.fold, second.frames, second.fps, second.crop) == ("", None, None, None, "")


def test_a_root_holds_what_lies_in_it_once_links_are_followed(tmp_path):
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (tmp_path / "outer").mkdir()
    (root / "way out").symlink_to(tmp_path / "outer")
    (root / "inner" / "back").symlink_to(root / "inner")
    (root / "inner" / "loop").symlink_to("loop")
    (root / "inner" / "gone.mp4").symlink_to(tmp_path / "outer" / "gone.mp4")
    held = Root(root)
    assert all(map(held.holds, ("a.mp4", "inner/a.mp4", "inner/back/a.mp4", "no/such/folder.mp4", "inner/..", "")))
    out = (
        "../outer/a.mp4",
        "way out/a.mp4",
        "way out",
        "inner/gone.mp4",
        "inner/loop",
        "..",
        "/etc/passwd",
        "a\0b/c.mp4",
    )
    assert not any(map(held.holds, out))
    assert held.holds("inner/../inner/a.mp4")
    assert held.holds(str(root / "inner" / "a.mp4"))
