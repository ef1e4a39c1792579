"""What a style is made of; `styles` holds the ten genres written in these terms."""

from dataclasses import dataclass, field

from backbeat.jam.drums import Kit


@dataclass(frozen=True)
class Part:
    """One voice of the arrangement.

    Attributes
    ----------
    role : str
        What it does: bass, comp, pad, arp, riff, lead or answer. Roles are what artists cast.
    instruments : tuple of str
        Who may play it; names of `instruments.INSTRUMENTS`.
    patterns : tuple of str
        Bars of rhythm, spread evenly over the bar; bars are joined by ``|``. ``x`` chord, ``X``
        accented chord, ``s`` short chord, ``p`` power chord, ``m`` muted low root, ``w`` walking
        note, ``a`` step to the next root, digits the chord's notes (8 the octave); in a lead any
        of them is a note of the melody. ``.`` lets the last one ring or rests.
    level : float
        dB against the other parts.
    centre : int
        MIDI pitch around which it plays.
    gate : float
        Share of the time until the next onset for which a note is held.
    enter : float
        The section's energy (0 to 1) from which it plays.
    chance : float
        Probability that an artist has it at all.
    send : float
        Share sent to the reverberation.
    echo : float
        Level of a tape echo, three eighths of a bar later; 0 for none.
    """

    role: str
    instruments: tuple[str, ...]
    patterns: tuple[str, ...]
    level: float = 0.0
    centre: int = 60
    gate: float = 0.9
    enter: float = 0.2
    chance: float = 1.0
    send: float = 0.2
    echo: float = 0.0


@dataclass(frozen=True)
class Harmony:
    """A scale for melodies with a chord progression: bars split by spaces, halves by ``/``."""

    scale: str
    bars: str


@dataclass(frozen=True)
class Master:
    """How the genre's records are mixed.

    `tilt` is dB at 60, 150, 400, 1000, 2500, 6000 and 10000 Hz; `reverb` the reverberation time
    (s) and `wet` its level; `ratio` the compressor's ratio; `drive` the gain into the soft clip;
    `loudness` the RMS level in dBFS; `top` the upper band limit (Hz); `hiss` the level of the
    noise floor in dB below the music.
    """

    tilt: tuple[float, ...] = (0, 0, 0, 0, 0, 0, 0)
    reverb: float = 0.8
    wet: float = 0.3
    ratio: float = 2.0
    drive: float = 1.0
    loudness: float = -17.0
    top: float = 10500.0
    hiss: float = -60.0


@dataclass(frozen=True)
class Style:
    """One way of playing a genre.

    Attributes
    ----------
    tempo : tuple of float
        Slowest and fastest, beats a minute.
    harmonies : tuple of Harmony
        What the chords may be.
    parts : tuple of Part
        The voices.
    grooves : tuple of tuple of str
        Drum patterns, each lines of "drum pattern"; ``X`` loud, ``x`` usual, ``o`` soft, ``-``
        barely heard.
    beats : int
        Beats a bar.
    swing : float
        Where the off-beat falls within its pair: 0.5 straight, 0.67 triplets.
    sixteenths : bool
        Whether it is the sixteenths that swing, not the eighths.
    kit : Kit
        The standard drum kit.
    drums : float
        Level of the drums, dB; their entry energy is `drums_enter`.
    rubato : float
        Depth of the slow wavering of the tempo (share of a beat).
    loose : float
        Standard deviation of the players' timing, s.
    master : Master
        The mix.
    """

    tempo: tuple[float, float]
    harmonies: tuple[Harmony, ...]
    parts: tuple[Part, ...]
    grooves: tuple[tuple[str, ...], ...] = ()
    beats: int = 4
    swing: float = 0.5
    sixteenths: bool = False
    kit: Kit = field(default_factory=Kit)
    drums: float = 0.0
    drums_enter: float = 0.25
    rubato: float = 0.0
    loose: float = 0.006
    master: Master = Master()
