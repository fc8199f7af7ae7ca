"""From a video file to clips, with a detector that knows the truth."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.ahead import ahead
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.decode import write_video
from maedfer.video.faces import FaceClips
from maedfer.video.types import Frame

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (30, 30, 230)
SMALL = ClipSpec(size=48)


@pytest.fixture
def video(tmp_path: Path, draw):
    """Writes a 25 fps video of discs: ``discs(time) -> list of (x, y, radius, colour)``."""

    def make(seconds: float, discs, size=(120, 200), grey=lambda t: 90) -> Path:
        path = tmp_path / "made.mp4"
        times = [k / 25 for k in range(round(seconds * 25))]
        write_video(path, (draw(size, discs(t), grey(t)) for t in times), 25.0, crf=14)
        return path

    return make


def middle_colour(pixels: np.ndarray) -> np.ndarray:
    """Colour in the middle of each picture of a clip: (T, 3)."""
    side = pixels.shape[-1]
    third = slice(side // 3, 2 * side // 3)
    return pixels[:, :, third, third].mean(axis=(2, 3)).T


def test_two_moving_faces_give_a_clip_each_for_every_window(video, disc_detector):
    path = video(6.0, lambda t: [(40 + 15 * t, 30 + 2 * t, 20, RED), (160 - 10 * t, 95, 18, GREEN)])
    stream = FaceClips(disc_detector, SMALL).stream(path)
    windows = list(stream)
    assert stream.info is not None
    assert (stream.info.width, stream.duration_s) == (200, pytest.approx(6.0))
    assert [w.start_s for w in windows] == pytest.approx([0, 1.28, 2.56, 3.52])
    assert [w.end_s for w in windows] == pytest.approx([2.56, 3.84, 5.12, 6.0])
    for window in windows:
        assert [c.track for c in window.clips] == [0, 1]
        assert window.gaps == []
        for clip, colour in zip(window.clips, (RED, GREEN), strict=True):
            assert clip.pixels.shape == (3, 16, 48, 48)
            assert clip.coverage == 1.0
            assert np.abs(middle_colour(clip.pixels) - colour).max() < 25


def test_face_boxes_are_given_once_in_pixels_of_the_source(video, disc_detector):
    path = video(5.0, lambda t: [(60 + 10 * t, 60, 30, RED)])
    windows = list(FaceClips(disc_detector, SMALL, max_side=100).stream(path))
    faces = [f for w in windows for f in w.faces]
    assert [f.time_s for f in faces] == pytest.approx([k / 6.25 for k in range(32)])
    for f in faces:
        frame_s = np.floor(f.time_s * 25 + 1e-6) / 25
        assert (f.face.box[:2] + f.face.box[2:]) / 2 == pytest.approx((60 + 10 * frame_s, 60), abs=1.5)
        assert f.face.box[2] - f.face.box[0] == pytest.approx(60, abs=4)


def test_windows_without_a_face_are_marked(video, disc_detector):
    stream = FaceClips(disc_detector, SMALL).stream(video(4.0, lambda t: []))
    windows = list(stream)
    assert [len(w.gaps) for w in windows] == [1, 1, 1]
    assert all(w.gaps[0].track is None and w.gaps[0].coverage == 0 and not w.clips for w in windows)
    assert windows[-1].gaps[0].end_s == pytest.approx(4.0)


def test_a_face_seen_too_rarely_is_a_marked_window(video, disc_detector):
    path = video(6.0, lambda t: [(100, 60, 25, BLUE)] if t < 3.2 else [])
    windows = list(FaceClips(disc_detector, SMALL).stream(path))
    assert [[c.coverage for c in w.clips] for w in windows] == [[1.0], [12 / 16], [], []]
    assert [(g.track, g.coverage) for g in windows[2].gaps] == [(0, 4 / 16)]
    assert windows[3].gaps[0].track is None


def test_gaps_are_bridged_and_counted(video, disc_detector):
    path = video(5.12, lambda t: [(60 + 12 * t, 60, 25, RED)] if not 1.25 < t < 2.2 else [])
    windows = list(FaceClips(disc_detector, SMALL).stream(path))
    assert {c.track for w in windows for c in w.clips} == {0}
    assert [len(w.clips) for w in windows] == [1, 1, 1]
    assert windows[0].clips[0].coverage == pytest.approx(10 / 16)


def test_tracks_end_at_a_cut_and_the_clip_shows_no_other_shot(video, disc_detector):
    path = video(
        5.12,
        lambda t: [(100, 60, 25, RED if t < 2.56 else GREEN)],
        grey=lambda t: 60 if t < 2.56 else 200,
    )
    windows = list(FaceClips(disc_detector, SMALL).stream(path))
    assert [[c.track for c in w.clips] for w in windows] == [[0], [0, 1], [1]]
    for window in windows:
        for clip in window.clips:
            assert np.abs(middle_colour(clip.pixels) - (RED, GREEN)[clip.track]).max() < 30


def test_short_video_and_single_frame_repeat_their_last_picture(video, disc_detector, draw):
    path = video(1.0, lambda t: [(60 + 40 * t, 60, 25, RED)])
    (window,) = FaceClips(disc_detector, SMALL).stream(path)
    (clip,) = window.clips
    assert (clip.start_s, clip.end_s) == (0.0, pytest.approx(1.0))
    assert (clip.pixels[:, 7:] == clip.pixels[:, 6:7]).all()
    assert (clip.pixels[:, 5] != clip.pixels[:, 6]).any()
    frame = Frame(3.0, draw((120, 200), [(90, 60, 25, GREEN)]))
    (window,) = FaceClips(disc_detector, SMALL).stream([frame])
    assert window.start_s == 3.0
    assert (window.clips[0].pixels == window.clips[0].pixels[:, :1]).all()


def test_frames_from_elsewhere_equal_the_file(video, disc_detector):
    from maedfer.video.decode import read_frames

    path = video(4.0, lambda t: [(60 + 10 * t, 60, 25, RED)])
    by_file = list(FaceClips(disc_detector, SMALL).stream(path))
    by_frames = list(FaceClips(disc_detector, SMALL).stream(read_frames(path)))
    assert [w.start_s for w in by_file] == [w.start_s for w in by_frames]
    for a, b in zip(by_file, by_frames, strict=True):
        assert (a.clips[0].pixels == b.clips[0].pixels).all()


def test_memory_is_bounded_by_the_window_and_clips_come_early(disc_detector, draw):
    taken = []

    def camera():
        for k in range(700):
            taken.append(k)
            yield Frame(k / 6.25, draw((60, 100), [(50, 30, 15, RED)]))

    settings = FaceClips(disc_detector, ClipSpec(size=16))
    stream = settings.stream(camera())
    latest = 0
    for count, window in enumerate(stream, start=1):
        kept = len(stream._pictures) + sum(map(len, stream._marks.values())) + len(stream._faces)
        assert kept < 100
        assert len(window.clips) == 1
        if count == 1:
            latest = len(taken)
    assert 16 <= latest <= 26
    assert stream.duration_s == pytest.approx(112.0)
    with pytest.raises(DecodeError, match="one frame"):
        list(settings.stream([]))


def camera(draw, discs, seconds: float, taken: list[float]):
    """Frames at 25 a second; notes the times of those that were asked for."""
    for k in range(round(25 * seconds)):
        taken.append(k / 25)
        yield Frame(k / 25, draw((120, 200), discs(k / 25)))


def test_live_windows_come_with_their_last_instant(disc_detector, draw):
    taken: list[float] = []
    source = camera(draw, lambda t: [(60 + 10 * t, 60, 25, RED)], 8.0, taken)
    stream = FaceClips(disc_detector, SMALL, lookahead_s=0.0).stream(source)
    late, windows = [], []
    for window in stream:
        late.append(taken[-1] - (window.end_s - 0.16))
        windows.append(window)
    # The last instant is over with the next frame of the camera.
    assert max(late[:-1]) <= 1 / 25 + 1e-6
    usual = list(FaceClips(disc_detector, SMALL).stream(camera(draw, lambda t: [(60 + 10 * t, 60, 25, RED)], 8.0, [])))
    assert [w.start_s for w in windows] == [w.start_s for w in usual]
    assert [len(w.clips) for w in windows] == [1] * len(usual)
    assert [c.coverage for w in windows for c in w.clips] == [1.0] * len(usual)
    # In the end every sighting was given once.
    assert [f.time_s for w in windows for f in w.faces] == [f.time_s for w in usual for f in w.faces]


def test_live_windows_say_what_is_known_then(disc_detector, draw):
    """A face that comes two instants before a window ends is not yet a track there, but none of it is lost."""

    def discs(t: float):
        return [(60, 60, 25, RED)] + ([(150, 60, 25, GREEN)] if t >= 2.2 else [])

    live = list(
        FaceClips(disc_detector, SMALL, lookahead_s=0.0, full_search_s=0.0).stream(camera(draw, discs, 6.0, []))
    )
    usual = list(FaceClips(disc_detector, SMALL, full_search_s=0.0).stream(camera(draw, discs, 6.0, [])))
    assert [g.track for g in live[0].gaps] == []
    assert [g.track for g in usual[0].gaps] == [1]
    assert live[1].clips[1].coverage == usual[1].clips[1].coverage
    sightings = [sorted((f.track, f.time_s) for w in windows for f in w.faces) for windows in (live, usual)]
    assert sightings[0] == sightings[1]


def test_min_score_decides_what_may_become_a_track(draw, make_face):
    class Unsure:
        def detect(self, image):
            return [make_face(np.array([100.0, 60.0]), 25.0, 0.4)]

    frames = [Frame(k / 6.25, draw((120, 200), [])) for k in range(16)]
    (strict,) = FaceClips(Unsure(), SMALL).stream(frames)
    (lenient,) = FaceClips(Unsure(), SMALL, min_score=0.35).stream(frames)
    assert (len(strict.clips), len(lenient.clips)) == (0, 1)


def test_a_face_in_the_middle_of_a_shot_is_late_by_the_full_search_at_most(video, disc_detector):
    path = video(5.12, lambda t: [(50, 60, 20, RED)] + ([(150, 60, 12, BLUE)] if t > 1.0 else []), size=(240, 400))
    for full_search_s, latest_s in ((0.0, 1.12), (0.32, 1.28), (0.64, 1.28), (1.28, 1.28)):
        windows = list(FaceClips(disc_detector, SMALL, full_search_s=full_search_s).stream(path))
        firsts = [min(f.time_s for w in windows for f in w.faces if f.track == track) for track in (0, 1)]
        assert firsts[0] == 0.0
        assert firsts[1] == pytest.approx(latest_s)


def test_a_held_picture_is_looked_at_once(disc_detector, draw):
    still = draw((120, 200), [(100, 60, 25, RED)])
    for max_side in (1280, 100):
        disc_detector.calls = 0
        frames = [Frame(k / 6.25, still) for k in range(40)]
        windows = list(FaceClips(disc_detector, SMALL, max_side=max_side).stream(frames))
        assert all(c.coverage == 1.0 for w in windows for c in w.clips)
        assert sum(len(w.faces) for w in windows) == 40
        assert disc_detector.calls <= 3


def decoding_threads() -> int:
    return sum(thread.name == "maedfer-ahead" for thread in threading.enumerate())


def test_a_stream_left_early_leaves_no_thread_behind(video, disc_detector):
    path = video(8.0, lambda t: [(60 + 10 * t, 60, 25, RED)])
    windows = iter(FaceClips(disc_detector, SMALL).stream(str(path)))
    assert next(windows).start_s == 0
    assert decoding_threads() == 1
    windows.close()
    assert decoding_threads() == 0
    stream = FaceClips(disc_detector, SMALL).stream(path)
    for _ in stream:
        break
    del stream, _
    assert decoding_threads() == 0


def test_a_stream_may_run_in_another_thread_and_share_its_detector(video, disc_detector):
    path = video(5.12, lambda t: [(60 + 10 * t, 60, 25, RED)])
    settings = FaceClips(disc_detector, SMALL)
    alone = list(settings.stream(path))
    both = zip(ahead(settings.stream(path), 2), ahead(settings.stream(path), 2), strict=True)
    for one, (a, b) in zip(alone, both, strict=True):
        assert (a.clips[0].pixels == one.clips[0].pixels).all()
        assert (b.clips[0].pixels == one.clips[0].pixels).all()


def test_settings_out_of_range(disc_detector):
    for wrong in (
        {"min_coverage": 0.0},
        {"hop_s": 5.0},
        {"min_hits": 0},
        {"max_gap_s": 99.0},
        {"max_side": 4},
        {"min_face_px": 0.0},
        {"min_score": 1.5},
        {"min_score": float("nan")},
        {"full_search_s": -0.1},
        {"full_search_s": 60.0},
        {"lookahead_s": -1.0},
        {"lookahead_s": float("inf")},
    ):
        with pytest.raises(ConfigError):
            FaceClips(disc_detector, **wrong)


def test_crop_clip_takes_the_main_face_in_the_middle_of_the_file(video, disc_detector):
    path = video(5.0, lambda t: [(100 + 8 * (t - 2.5), 60, 26, RED), (180, 20, 14, GREEN)])
    clip = crop_clip(path, SMALL, disc_detector)
    assert (clip.start_s, clip.end_s, clip.coverage) == (pytest.approx(1.22), pytest.approx(3.78), 1.0)
    assert np.abs(middle_colour(clip.pixels) - RED).max() < 25


def test_crop_clip_detects_only_every_nth(video, disc_detector):
    path = video(2.56, lambda t: [(60 + 30 * t, 60, 26, RED)])
    every = crop_clip(path, SMALL, disc_detector)
    assert disc_detector.calls == 16
    fourth = crop_clip(path, SMALL, disc_detector, detect_every=4)
    assert disc_detector.calls == 16 + 5
    assert fourth.coverage == 1.0
    assert np.abs(every.pixels.astype(int) - fourth.pixels).mean() < 4
    with pytest.raises(ConfigError):
        crop_clip(path, SMALL, disc_detector, detect_every=0)


def test_crop_clip_without_a_face_is_the_centred_square(video, disc_detector):
    path = video(1.0, lambda t: [(100, 60, 3, BLUE)], grey=lambda t: 150)
    clip = crop_clip(path, SMALL, disc_detector)
    assert clip.coverage == 0.0
    assert clip.pixels.shape == (3, 16, 48, 48)
    assert np.abs(np.median(clip.pixels) - 150) < 5
    with pytest.raises(DecodeError):
        crop_clip(path.with_name("none.mp4"), SMALL, disc_detector)


def test_a_stream_is_read_once(disc_detector, draw):
    stream = FaceClips(disc_detector).stream(Frame(k / 25, draw((64, 64), [])) for k in range(20))
    list(stream)
    with pytest.raises(ConfigError, match="read already"):
        list(stream)


def test_another_size_of_picture_begins_another_shot(disc_detector, draw):
    frames = [Frame(k * 0.16, draw((96, 96), [(48, 48, 20, (230, 20, 20))])) for k in range(10)]
    frames += [Frame(1.6 + k * 0.16, draw((192, 192), [(96, 96, 40, (230, 20, 20))])) for k in range(10)]
    faces = [face for window in FaceClips(disc_detector).stream(frames) for face in window.faces]
    assert {(face.time_s > 1.5, face.track) for face in faces} == {(False, 0), (True, 1)}


def test_no_window_ends_after_the_last_picture_where_its_end_is_known(disc_detector, draw):
    frames = [Frame(k / 25, draw((96, 96), [(48, 48, 20, RED)])) for k in range(26)]
    stream = FaceClips(disc_detector, SMALL).stream(frames, end_s=1.04)
    assert [window.end_s for window in stream] == pytest.approx([1.04])
    assert stream.duration_s == pytest.approx(1.04)


def test_a_folder_of_frames_has_the_rate_asked_for(tmp_path, disc_detector, draw):
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"{number}.png"), draw((96, 96), [(48, 48, 20, RED)]))
    stream = FaceClips(disc_detector, SMALL).stream(tmp_path, fps=10.0)
    assert [window.end_s for window in stream] == pytest.approx([2.0])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["box", "landmarks"])
def test_a_detectors_nonsense_is_no_face(draw, make_face, wrong, where):
    class Broken:
        def detect(self, image):
            face = make_face(np.array([48.0, 48.0]), 20.0)
            getattr(face, where).reshape(-1)[2] = wrong
            return [face]

    frames = [Frame(k / 6.25, draw((96, 96), [(48, 48, 20, RED)])) for k in range(16)]
    (window,) = FaceClips(Broken(), SMALL).stream(frames)
    assert (window.clips, window.faces) == ([], [])
