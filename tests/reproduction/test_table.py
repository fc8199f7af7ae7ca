"""The table beside the paper: its verdicts follow from the numbers."""

from dataclasses import replace

import pytest

from maedfer.reproduction import Comparison, Row, tolerance

FOUND = Comparison(
    name="DFEW",
    paper=Row("paper", 63.41, 74.43),
    others=(Row("VideoMAE", 63.6, 74.6),),
    ours=Row("ours", 63.0, 74.0),
    further=(),
    tolerance_uar=1.5,
    tolerance_war=1.0,
    causes=("cause",),
    complete=True,
)


@pytest.mark.parametrize(
    ("uar", "war", "complete", "verdict"),
    [
        (63.0, 74.0, True, "reproduced within"),
        (61.92, 73.44, True, "reproduced within"),
        (61.90, 74.43, True, "not reproduced: UAR below"),
        (63.41, 73.42, True, "not reproduced: WAR below"),
        (60.0, 70.0, True, "not reproduced: UAR and WAR below"),
        (66.0, 74.0, True, "above the paper by more than the tolerance in UAR"),
        (66.0, 70.0, True, "not reproduced: WAR below"),
        (63.41, 74.43, False, "not comparable"),
    ],
)
def test_the_verdict_follows_from_the_gaps(uar, war, complete, verdict):
    found = replace(FOUND, ours=Row("ours", uar, war), complete=complete)
    assert found.verdict.startswith(verdict)
    text = found.to_markdown()
    assert f"| ours - paper | {uar - 63.41:+.2f} | {war - 74.43:+.2f} |" in text
    assert found.to_dict()["rows"][0] == {"what": "paper", "uar": 63.41, "war": 74.43}


def test_the_tolerance_is_half_the_interval_and_never_below_a_point():
    assert tolerance(60.0, 66.0) == 3.0
    assert tolerance(63.0, 63.2) == 1.0
