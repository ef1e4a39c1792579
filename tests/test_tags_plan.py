"""What is written and what is left alone, decided without a file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.classify import Answer, Failure
from backbeat.collections.genres import GTZAN_GENRES
from backbeat.library.tags.plan import (
    GENRE_NAMES,
    Change,
    LeftAlone,
    Options,
    Present,
    chosen,
    genre_name,
    kept,
    plan,
    rows,
    same_genres,
)

SONG = Path("song.mp3")


def answer(*ranking, verdict="sure", path=SONG):
    return Answer(path, 30.0, ranking, verdict, 0.5, 1.0, ())


def decide(given, genres=(), **options):
    present = Present("ID3v2.4", tuple(genres), tuple(genres))
    (decision,) = plan([given], {SONG: present}, Options(**options))
    return decision


def test_genres_are_written_as_id3v1_has_them():
    from mutagen.id3 import TCON

    assert set(GENRE_NAMES) == set(GTZAN_GENRES)
    assert set(GENRE_NAMES.values()) <= set(TCON.GENRES)
    assert [genre_name(name) for name in ("hiphop", "hip hop", "Trip Hop", "rock")] == [
        *("Hip-Hop", "Hip-Hop", "Trip Hop", "Rock")
    ]


def test_a_sure_answer_is_written():
    decision = decide(answer(("hiphop", 0.8), ("rock", 0.2)))
    assert decision == Change(SONG, Present("ID3v2.4", (), ()), ("Hip-Hop",), 0.8)


@pytest.mark.parametrize(
    ("given", "genres", "options", "reason"),
    [
        (answer(("rock", 0.9)), ["Ska"], {}, "with a genre"),
        (answer(("rock", 0.9)), ["rock"], {"overwrite": True}, "already so"),
        (answer(("hiphop", 0.9)), ["hip hop"], {"overwrite": True}, "already so"),
        (answer(("rock", 0.9), verdict="unsure"), [], {}, "unsure"),
        (answer(("rock", 0.9), verdict="out of genre"), [], {"overwrite": True}, "out of genre"),
        (answer(("rock", 0.599)), [], {}, "not confident enough"),
        (answer(("rock", 0.89)), [], {"min_confidence": 0.9}, "not confident enough"),
    ],
)
def test_what_is_left_alone(given, genres, options, reason):
    decision = decide(given, genres, **options)
    assert isinstance(decision, LeftAlone)
    assert decision.reason == reason


@pytest.mark.parametrize(("read", "written"), [(27.0, True), (26.9, False)])
def test_a_song_is_left_alone_of_which_less_than_nine_tenths_could_be_read(read, written):
    note = f"{read:.0f} of 30 s could be read"
    cut = replace(answer(("rock", 0.9)), seconds_asked=30.0, seconds_read=read, note=note)
    decision = decide(cut)
    assert isinstance(decision, Change) == written
    assert decision.note == note
    if not written:
        assert decision.reason == "damaged"
    assert isinstance(decide(cut, damaged=True), Change)
    [_, row] = rows([decision])
    assert row[-2:] == ("write" if written else "damaged", note)


def test_overwriting_replaces_other_genres():
    decision = decide(answer(("rock", 0.7)), ["Ska"], overwrite=True)
    assert isinstance(decision, Change)
    assert (decision.present.genres, decision.genres) == (("Ska",), ("Rock",))


def test_several_genres_where_they_are_likely():
    ranking = (("rock", 0.62), ("metal", 0.25), ("pop", 0.13))
    assert chosen(ranking, multi=True) == ("Rock", "Metal")
    assert chosen(ranking, multi=False) == ("Rock",)
    assert decide(answer(*ranking), ["metal", "Rock"], multi=True, overwrite=True).reason == (
        "already so"
    )


def test_an_answer_that_is_not_calibrated_counts_by_its_confidence():
    assert isinstance(decide(answer(("rock", 0.7), verdict="not calibrated")), Change)


def test_failures_go_through_and_answers_are_drawn_as_needed():
    drawn = []

    def answers():
        for number in range(3):
            drawn.append(number)
            yield Failure(SONG, f"bad {number}")

    decisions = plan(answers(), {}, Options())
    assert next(decisions) == Failure(SONG, "bad 0")
    assert drawn == [0]
    assert len(list(decisions)) == 2


GENRES = st.lists(st.sampled_from(["Rock", "rock", "hip-hop", "Hip Hop", "Ska", "ska ", "s-ka"]))


@given(GENRES, GENRES)
def test_same_genres_is_an_equality(some, others):
    assert same_genres(some, some[::-1])
    assert same_genres(some, others) == same_genres(others, some)
    assert same_genres(some, others) == (
        {name.lower().strip().replace(" ", "").replace("-", "") for name in some}
        == {name.lower().strip().replace(" ", "").replace("-", "") for name in others}
    )


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    GENRES,
    st.sampled_from(["sure", "unsure", "out of genre", "not calibrated"]),
)
def test_only_confident_answers_are_ever_written(sure, least, overwrite, genres, verdict):
    options = {"min_confidence": least, "overwrite": overwrite}
    decision = decide(answer(("rock", sure), verdict=verdict), genres, **options)
    if isinstance(decision, Change):
        assert sure >= least
        assert verdict in ("sure", "not calibrated")
        assert overwrite or not genres
    present = Present("MP4", tuple(genres), tuple(genres))
    assert kept(present, Options(**options)) == (bool(genres) and not overwrite)


def test_rows_tell_all():
    present = Present("MP4", ("Ska", "Dub"), ("Ska", "Dub"))
    table = rows(
        [
            Change(SONG, present, ("Rock", "Pop"), 0.81234),
            LeftAlone(SONG, present, "damaged", "15 of 30 s could be read"),
            Failure(SONG, "is read-only"),
        ]
    )
    assert list(table) == [
        ("path", "format", "old", "new", "confidence", "decision", "note"),
        ("song.mp3", "MP4", "Ska; Dub", "Rock; Pop", "0.8123", "write", ""),
        ("song.mp3", "MP4", "Ska; Dub", "", "", "damaged", "15 of 30 s could be read"),
        ("song.mp3", "", "", "", "", "failed: is read-only", ""),
    ]
