"""The ten genres as data: tempo, harmonies, drum grooves, parts and mix of each."""

from dataclasses import dataclass
from typing import NamedTuple


class Role(NamedTuple):
    """From which energy a kind of part plays, how likely it is, its reverberation (0 to 1)."""

    enter: float
    chance: float
    send: float


ROLES = {
    "bass": Role(0.2, 1.0, 0.1),
    "comp": Role(0.2, 1.0, 0.2),
    "pad": Role(0.4, 0.8, 0.5),
    "arp": Role(0.2, 0.8, 0.3),
    "riff": Role(0.3, 0.9, 0.2),
    "lead": Role(0.35, 1.0, 0.3),
    "answer": Role(0.65, 0.7, 0.35),
}


@dataclass(frozen=True)
class Part:
    """One voice of the arrangement.

    `role` is a key of `ROLES`: leads and answers play melodies, the others what follows the chords.
    `instruments` are those that may play it, of `sounds.INSTRUMENTS`. `level` is in dB against the
    other parts, `centre` the MIDI pitch around which it plays, and `gate` the share of the time
    until the next onset for which a note is held.

    `patterns` are rhythms, spread evenly over the bar; bars are joined by ``|``. ``x`` is a chord,
    ``s`` a short one, ``p`` a power chord, ``m`` a muted low root, ``w`` a walking note, digits are
    the chord's notes (8 the octave); in a melody each of them is a note of it. ``.`` lets the last
    one ring or rests.
    """

    role: str
    instruments: str
    patterns: str
    level: float
    centre: int
    gate: float = 0.9


@dataclass(frozen=True)
class Style:
    """How a genre is played and mixed.

    `tempo` is the slowest and the fastest, in beats a minute, four a bar; `swing` where the
    off-beat falls within its pair: 0.5 straight, 0.67 triplets. `harmonies` are a scale for
    melodies, a colon, and chords: bars split by spaces, halves by ``/``. `grooves` are drums, each
    with a pattern: ``X`` loud, ``x`` usual, ``o`` soft, ``-`` barely audible; `drums` is their
    level in dB. `neighbours` are the genres from which it borrows.

    Of the mix, `tilt` is dB at `mix.BANDS`, `reverb` the reverberation time in s and `wet` its
    level, `loudness` the RMS level in dBFS.
    """

    tempo: tuple[float, float]
    harmonies: tuple[str, ...]
    grooves: tuple[str, ...]
    parts: tuple[Part, ...]
    neighbours: str
    tilt: tuple[float, ...]
    reverb: float
    wet: float
    loudness: float
    drums: float = 0.0
    swing: float = 0.5


# One line a part reads better than one line an argument.
# fmt: off
STYLES: dict[str, Style] = {
    "blues": Style(
        harmonies=("blues: I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7",
            "blues: i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7"),
        grooves=("kick x.....x....., snare ...X.....X.., hat x.xx.xx.xx.x",
            "kick o..o..o..o.., rim ...o.....o.."),
        parts=(Part("bass", "bass upright", "1..3..5..6.. 1.13.35.56.6 w..w..w..w.w", 0, 38),
            Part("comp", "crunch piano clean steel", "x.xx.xx.xx.x 1.x5.x1.x5.x", -5, 57, 0.7),
            Part("lead", "crunch singer slide", "..xx.xx.....|x.....xx.x.. x.xx|....", 0, 67),
            Part("answer", "crunch piano sax clean", "............|......x.xx.x", -3, 70)),
        tempo=(64, 132), neighbours="jazz rock country", tilt=(0, 2, 1, 1, 0, -2, -4),
        reverb=0.6, wet=0.25, loudness=-19, drums=-3,
    ),
    "classical": Style(
        harmonies=("major: I V I I IV I V I", "major: I vi ii V I IV V I",
            "minor: i V i iv i V VI/iv V", "minor: i iv VII III VI ii V i"),
        grooves=("timpani x...........o.o.", "timpani x......."),
        parts=(Part("bass", "bass piano", "1....... 1...5... 1.5.3.5.", -2, 43),
            Part("comp", "strings piano", "13581358 1.3.5.3. 1538353853835383", -3, 57),
            Part("pad", "strings pad", "x... x.x.", -3, 62, 1.0),
            Part("lead", "violin horns piano", "x...x.x.|x.x.xxxx x..xx.x.|x...", 0, 74, 1.0),
            Part("answer", "horns trumpet", "x...x.x.|x... x.......|x.x.x...", -3, 60)),
        tempo=(58, 138), neighbours="jazz pop", tilt=(-2, 0, 1, 0, -1, -4, -8),
        reverb=1.9, wet=0.7, loudness=-24, drums=-9,
    ),
    "country": Style(
        harmonies=("major-pentatonic: I I IV I I I V V I I IV I I V I I",
            "major-pentatonic: I IV I V I IV V I", "major-pentatonic: I V vi IV I V I I"),
        grooves=("kick x...x..., snare ..x...x., brush x.x.x.x.",
            "kick x...x..x, snare ..X...X., hat xxxxxxxx"),
        parts=(Part("bass", "upright bass", "1.5. 1.5.1.5. 1...5...", 0, 40, 0.8),
            Part("comp", "steel jangle", "..x...x. ..xx..xx x.xxx.xx", -3, 57, 0.6),
            Part("arp", "banjo steel", "15385835 1.381.58 8531835.", -5, 62),
            Part("lead", "singer violin slide", "x.xxx.x.|x... ..xxx.xx|x.x. x.xx|x..x....", 0, 66),
            Part("answer", "slide violin jangle", "........|..x.xxxx ........|x.xx.x..", -3, 71)),
        tempo=(84, 160), neighbours="blues rock pop", tilt=(-2, 0, 0, 1, 2, 1, -1),
        reverb=0.7, wet=0.25, loudness=-18.5, drums=-5,
    ),
    "disco": Style(
        harmonies=("dorian: i7 i7 iv7 iv7", "minor: i7 bVII bVI7 V7", "dorian: ii7 V7 Imaj7 vi7"),
        grooves=("kick X...X...X...X..., clap ....X.......X..., hat xoxoxoxoxoxoxoxo",
            "kick X...X...X...X..., open ..x...x...x...x., conga ...x..x....x..x."),
        parts=(Part("bass", "bass synth-bass", "1.8.1.8. 1..81.8.1..81.8. 18181818", 0, 38, 0.7),
            Part("comp", "skank rhodes", "..ss..ss..ss.sss s.ss.ss. ..s...s.", -5, 64, 0.5),
            Part("pad", "strings pad", "x... x......x", -4, 72, 1.0),
            Part("riff", "horns trumpet", "x..x..x.........|.... ......x.x.......", -4, 66, 0.5),
            Part("lead", "diva singer saw-lead", "x.xx.x..|x....... ..x.x.x.|x..x....", -1, 70)),
        tempo=(108, 136), neighbours="pop hiphop", tilt=(1, 2, 0, 0, 1, 1, 0),
        reverb=0.9, wet=0.3, loudness=-16.5,
    ),
    "hiphop": Style(
        harmonies=("minor-pentatonic: i7", "minor: i7 bVI", "dorian: i7 iv7"),
        grooves=("boom X.....x.x.X....., crack ....X.......X..., hat x.x.x.x.x.x.x.x.",
            "boom X..x..x...x..x.., clap ....X.......X..., hat xxxxxxxxxxxxxxxx"),
        parts=(Part("bass", "sub-bass synth-bass upright", "1..1.1.. 1..........15.3.", 1, 36),
            Part("comp", "rhodes piano clean", "x...|....x.....x..... x.....x.........", -5, 60),
            Part("lead", "rapper", "x.xxx.xxx.xx.xx.|xxx.xx.xx.xxx... xxxxx.x.", 1, 53, 0.8),
            Part("riff", "horns strings saw-lead", "1.5.3.1.8.5.3.1. x..x..x.|x..x..5.", -5, 66)),
        tempo=(72, 104), neighbours="reggae disco pop", tilt=(5, 3, 0, -1, -1, -1, -3),
        reverb=0.4, wet=0.12, loudness=-16, drums=3,
    ),
    "jazz": Style(
        harmonies=("bebop: ii7 V7 Imaj7 vi7", "bebop: Imaj7/vi7 ii7/V7 iii7/vi7 ii7/V7",
            "dorian: i7 i7 i7 i7 ii7 ii7 i7 i7"),
        grooves=("ride x.xxx.xx, hat ..x...x., kick o...o..-",
            "ride x...x..xx...x..x, hat ....x.......x..., snare ......-....-.o.."),
        parts=(Part("bass", "upright", "wwww www.w.w. w.w.", 1, 38),
            Part("comp", "piano clean rhodes", "..x....x x..s....|...x..s. .x...x..", -4, 60, 0.6),
            Part("riff", "horns", "..x....x|........ x.......|.x.x....", -4, 65, 0.6),
            Part("lead", "sax trumpet piano clean", "xxxxxxx.|..xxxxxx x..x.xx.|xxx.", 0, 67)),
        tempo=(72, 210), neighbours="blues classical", tilt=(0, 2, 1, 0, -1, -2, -3),
        reverb=0.9, wet=0.35, loudness=-21, drums=-5, swing=0.64,
    ),
    "metal": Style(
        harmonies=("phrygian: i5 i5 bII5 i5", "minor: i5 bVI5 bVII5 i5"),
        grooves=("beater xxxxxxxxxxxxxxxx, snare ....X.......X..., ride x...x...x...x...",
            "beater x..x..x., snare ....X..., crash x...x..."),
        parts=(Part("bass", "pick-bass", "1111111111111111 1.1.1.1. 1.111.111.111.11", -2, 33),
            Part("comp", "fuzz", "pmmmpmmmpmmmpmpm p..mmmp..mmmp.p. p.......p...p...", 3, 42),
            Part("lead", "growl fuzz singer", "x.x.x...|x.x..... x..x..x.|x.......", -1, 62),
            Part("answer", "fuzz", "........|xxxxxxxx x..xx..x|xxxxxxxx", -2, 76)),
        tempo=(96, 190), neighbours="rock", tilt=(1, 0, -1, 0, 2, 2, 0),
        reverb=0.6, wet=0.15, loudness=-14, drums=1,
    ),
    "pop": Style(
        harmonies=("major: I V vi IV", "major: vi IV I V", "minor: i bVI bIII bVII"),
        grooves=("kick X.....x.X......., snare ....X.......X..., hat x.x.x.x.x.x.x.x.",
            "kick X...X...X...X..., clap ....X.......X..., hat ..x...x...x...x."),
        parts=(Part("bass", "synth-bass bass", "1.1.1.1. 1...1.5. 1.......", -1, 38),
            Part("comp", "piano steel clean", "x..x..x. x...x... x.xx.xx.", -4, 62, 0.8),
            Part("pad", "pad strings", "x...", -5, 66, 1.0),
            Part("arp", "rhodes saw-lead", "1.5.8.5. 8.5.3.5.1.5.3.5.", -7, 74, 0.6),
            Part("lead", "diva singer", "x.xx.xx.|x...x... xx.xx.x.|x...", 2, 69),
            Part("answer", "pad diva", "........|..x...x. x.......|x.......", -5, 72)),
        tempo=(72, 130), neighbours="disco rock country hiphop", tilt=(2, 1, -1, 0, 1, 2, 2),
        reverb=1.0, wet=0.3, loudness=-15.5,
    ),
    "reggae": Style(
        harmonies=("minor-pentatonic: i i iv iv", "major-pentatonic: I IV", "dorian: i bVII"),
        grooves=("boom ........X......., rim ........X......., hat x.x.x.x.x.x.x.x.",
            "boom X..x..x.X..x..x., crack ...X..X....X..X., conga ..x..x....x..x.."),
        parts=(Part("bass", "sub-bass bass", "1...1.3.5....... ..1.3.5.1....... 1..1..1.", 4, 34),
            Part("comp", "skank piano clean", "..s...s. .s.s.s.s ....s.s.....s.s.", -1, 62, 0.4),
            Part("arp", "organ", "..ssx.s...ssx.s. ..1.3.1...1.3.1.", -6, 60, 0.4),
            Part("lead", "singer sax rapper", "x.xx..x.|x....... ..x.xx.x|x...x...", 0, 65),
            Part("answer", "horns organ", "x..x..x.........|....", -3, 65, 0.6)),
        tempo=(66, 96), neighbours="hiphop pop blues", tilt=(5, 3, 0, -1, -1, -2, -3),
        reverb=1.1, wet=0.4, loudness=-17.5, drums=-1, swing=0.54,
    ),
    "rock": Style(
        harmonies=("minor-pentatonic: I5 bVII5 IV5 I5", "major: I I IV V",
            "blues: I7 I7 IV7 I7 V7 IV7 I7 V7"),
        grooves=("kick X...X.x., snare ..X...X., hat xxxxxxxx",
            "kick X..x.X.., snare ..X...X., open x.x.x.x."),
        parts=(Part("bass", "pick-bass bass", "11111111 1..11.1. 1.1.1.5.", -1, 36),
            Part("riff", "crunch fuzz", "p.ppp.pp p...p.p. p.mmp.mm p..p..p.|p..pp...", 3, 50),
            Part("comp", "jangle organ piano", "x...x... x.x.x.xx 1.5.8.5.", -5, 60),
            Part("lead", "singer diva crunch", "x.xxx.x.|x....... xx.xx.x.|x..x....", 0, 67),
            Part("answer", "fuzz", "........|x.xxxxx. xxxxxxxx|x..x..xx", -2, 73)),
        tempo=(84, 152), neighbours="blues metal pop country", tilt=(0, 1, 0, 0, 1, 0, -1),
        reverb=0.7, wet=0.22, loudness=-16,
    ),
}
# fmt: on
GENRES = tuple(STYLES)
