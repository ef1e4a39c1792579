"""The genres of before the synthesiser, as data: blues, classical, country, jazz."""

from dataclasses import replace

from backbeat.jam.drums import Kit
from backbeat.jam.style import Harmony, Master, Part, Style

# One line a part reads better than one line an argument.
# fmt: off

# ----------------------------------------------------------------------------------------- blues
SHUFFLE = Style(
    tempo=(84, 132),
    harmonies=(
        Harmony("blues", "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),
        Harmony("blues", "I7 IV7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7/IV7 I7/V7"),
        Harmony("blues", "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7"),
    ),
    grooves=(
        ("kick x.....x.....", "snare ...X.....X..", "hat x.xx.xx.xx.x"),
        ("kick x....xx.....", "snare ...X.-...X.-", "ride x.xx.xx.xx.x"),
        ("kick x..o..x..o..", "snare ...X..-..X..", "hat x..x..x..x.."),
    ),
    parts=(
        Part("bass", ("bass", "upright"), ("1..3..5..6..", "1.13.35.56.6", "w..w..w..w.a"), 0, 38),
        Part(
            "comp", ("crunch", "piano", "clean", "organ"),
            ("x.xx.xx.xx.x", "...x.....x..", "..x......x..", "x..........."), -5, 57, 0.7,
        ),
        Part(
            "lead", ("lead-guitar", "harmonica", "singer", "crooner", "slide"),
            ("..xx.xx.....|x.....xx.x..", "x.xx..x.....|............", "...x.xx.xx.x|x..........."),
            0, 67, 0.95, 0.35,
        ),
        Part("answer", ("lead-guitar", "honky", "sax", "clean"),
             ("............|......x.xx.x", "............|...x.xx.x..."), -3, 70, 0.9, 0.5, 0.6),
    ),
    loose=0.012, drums=-3, kit=Kit(kick_pitch=58, snare_noise=0.6, hat_edge=6000),
    master=Master(tilt=(0, 2, 1, 1, 0, -2, -4), reverb=0.6, wet=0.25, loudness=-19, hiss=-48),
)
SLOW_BLUES = replace(
    SHUFFLE, tempo=(56, 76),
    grooves=(
        ("kick x.....x.....", "snare ...X.....X..", "hat xxxxxxxxxxxx"),
        ("kick x....ox.....", "snare ...x.....x.-", "ride xxxxxxxxxxxx"),
    ),
)
DELTA = replace(
    SHUFFLE, tempo=(76, 118), grooves=(("kick o..o..o..o..",), ("rim ...o.....o..",)), drums=-10,
    parts=(
        Part("comp", ("steel", "nylon"), ("1..p..1..p..", "1.x5.x1.x5.x"), 0, 52, 0.9),
        Part("lead", ("slide", "steel", "harmonica", "crooner"), SHUFFLE.parts[2].patterns,
             0, 66, 0.95, 0.3),
    ),
    master=replace(SHUFFLE.master, tilt=(-6, 0, 2, 3, 0, -4, -8), top=7500, hiss=-40),
)

# ------------------------------------------------------------------------------------- classical
_CLASSIC = (
    Harmony("major", "I V I I IV I V I"),
    Harmony("major", "I vi ii V I IV V I"),
    Harmony("harmonic", "i V i iv i V VI/iv V"),
    Harmony("harmonic", "i iv VII III VI iidim V i"),
)
ORCHESTRA = Style(
    tempo=(66, 138),
    harmonies=_CLASSIC,
    grooves=(("timpani x...........o.o.",), ("timpani x.......",), ("timpani x......x",)),
    drums=-9, drums_enter=0.85,
    parts=(
        Part("bass", ("cello",), ("1.......", "1...5...", "1.5.3.5."), -2, 43, 0.95),
        Part("arp", ("strings", "stab-strings"), ("13581358", "1.3.5.3.", "15351535"), -4, 60, 0.8),
        Part("pad", ("strings", "choir"), ("x...", "x.x."), -3, 62, 1.0, 0.35, 1.0, 0.5),
        Part("lead", ("violin", "oboe", "flute", "clarinet", "strings"),
             ("x...x.x.|x.x.xxxx", "x..xx.x.|x.......", "xxxxx.x.|x...x..."), 0, 74, 1.0),
        Part("answer", ("horns", "trumpet"), ("x...x.x.|x...", "x.......|x.x.x..."),
             -3, 60, 0.9, 0.75, 0.7, 0.5),
    ),
    rubato=0.06, loose=0.014,
    master=Master(tilt=(-2, 0, 1, 0, -1, -4, -8), reverb=1.9, wet=0.7, ratio=1.1, loudness=-24),
)
PIANO_SOLO = replace(
    ORCHESTRA, grooves=(), tempo=(58, 120),
    parts=(
        Part("arp", ("piano", "harpsichord", "nylon", "pipe-organ"),
             ("1538353853835383", "15351535", "1.5.8.5."), -2, 50, 1.2, 0.0),
        Part("lead", ("piano", "harpsichord", "nylon", "pipe-organ"), ORCHESTRA.parts[3].patterns,
             1, 74, 1.1, 0.1),
        Part("pad", ("piano",), ("x...", "x.x."), -5, 60, 1.0, 0.6),
    ),
    rubato=0.12, master=replace(ORCHESTRA.master, reverb=1.2, wet=0.4),
)
WALTZ = replace(
    ORCHESTRA, beats=3, tempo=(84, 168), grooves=(("timpani x.....",),),
    parts=(
        Part("bass", ("cello",), ("1..", "1.5"), -2, 43, 0.8),
        Part("comp", ("strings", "stab-strings"), (".xx", ".x."), -4, 62, 0.5),
        Part("lead", ("violin", "flute", "clarinet", "oboe"),
             ("x..x.x|x.....", "x.xx.x|x..xxx", "xxxxxx|x....."), 0, 76, 1.0),
        Part("answer", ("violin", "cello"), ("x.....|x.x.x.",), -3, 67, 1.0, 0.6, 0.6),
    ),
)

# --------------------------------------------------------------------------------------- country
BOOM_CHICK = Style(
    tempo=(92, 150),
    harmonies=(
        Harmony("major-pentatonic", "I I IV I I I V V I I IV I I V I I"),
        Harmony("major-pentatonic", "I IV I V I IV V I"),
        Harmony("major-pentatonic", "I V vi IV I V I I"),
    ),
    grooves=(
        ("kick x...x...", "snare ..x...x.", "brush x.x.x.x."),
        ("kick x...x...", "brush xxXxxxXx", "rim ..o...o."),
        ("kick x...x..x", "snare ..X...X.", "hat xxxxxxxx"),
    ),
    parts=(
        Part("bass", ("upright", "bass"), ("1.5.", "1.5.1.5a", "1...5..."), 0, 40, 0.8),
        Part("comp", ("steel", "jangle", "nylon"), ("..x...x.", "..xx..xx", "x.xxx.xx"),
             -3, 57, 0.6),
        Part("arp", ("banjo", "mandolin", "steel"), ("15385835", "1.381.58", "8531835."),
             -5, 62, 0.9, 0.5, 0.65),
        Part("lead", ("singer", "crooner", "fiddle", "slide"),
             ("x.xxx.x.|x.......", "..xxx.xx|x...x...", "x...x.x.|x..x...."), 0, 66, 0.95, 0.35),
        Part("answer", ("slide", "fiddle", "jangle", "harmonica"),
             ("........|..x.xxxx", "........|x.xx.x.."), -3, 71, 0.95, 0.5),
    ),
    drums=-5, kit=Kit(kick_pitch=60, kick_decay=0.1, snare_noise=0.8, hat_edge=7000),
    master=Master(tilt=(-2, 0, 0, 1, 2, 1, -1), reverb=0.7, wet=0.25, loudness=-18.5),
)
COUNTRY_WALTZ = replace(
    BOOM_CHICK, beats=3, tempo=(84, 132),
    grooves=(("kick x.....", "brush ..x.x."), ("kick x.....", "rim ..o.o.", "hat x.x.x.")),
    parts=(
        Part("bass", ("upright", "bass"), ("1..|5..", "1.5"), 0, 40, 0.8),
        Part("comp", ("steel", "nylon", "piano"), (".xx", "..x.xx"), -3, 57, 0.6),
        Part("lead", BOOM_CHICK.parts[3].instruments, ("x.x.xx|x.....", "x...xx|x.xx.."),
             0, 66, 0.95, 0.35),
        Part("answer", ("slide", "fiddle"), ("......|..xxxx",), -3, 71, 0.95, 0.45),
    ),
)
HONKY_TONK = replace(
    BOOM_CHICK, tempo=(112, 168), swing=0.6, drums=-2,
    parts=(
        *BOOM_CHICK.parts[:1],
        Part("comp", ("jangle", "honky", "crunch"), ("..x...x.", ".xx.xx.x"), -3, 59, 0.6),
        *BOOM_CHICK.parts[3:],
    ),
)

# ------------------------------------------------------------------------------------------ jazz
_SWUNG_RIDE = ("ride x.xxx.xx", "hat ..x...x.", "kick o...o..-")

_CHANGES = (
    Harmony("bebop", "ii7 V7 Imaj7 vi7"),
    Harmony("bebop", "Imaj7/vi7 ii7/V7 iii7/vi7 ii7/V7"),
    Harmony("dorian", "i7 i7 i7 i7 ii7 ii7 i7 i7"),
    Harmony("bebop", "I7 IV7 I7 I7 IV7 IV7 I7 vi7 ii7 V7 I7/vi7 ii7/V7"),
)
COMBO = Style(
    tempo=(112, 220), swing=0.64, harmonies=_CHANGES,
    grooves=(
        _SWUNG_RIDE,
        ("ride x...x..xx...x..x", "hat ....x.......x...", "snare ......-....-.o.."),
        ("brush x.x.x.x.", "hat ..x...x.", "kick o...o..."),
    ),
    parts=(
        Part("bass", ("upright",), ("wwww", "www.w.wa", "w.w."), 1, 38, 0.95, 0.1),
        Part("comp", ("piano", "clean", "rhodes"), ("..x....x", "x..s....|...x..s.", ".x...x.."),
             -4, 60, 0.6, 0.2, 0.9),
        Part("lead", ("sax", "trumpet", "muted", "piano", "clarinet", "clean"),
             ("xxxxxxx.|..xxxxxx", "x..x.xx.|xxx.x...", "..xxxxxx|xxxx...."), 0, 67, 0.95, 0.3),
    ),
    drums=-5, loose=0.012, kit=Kit(kick_pitch=66, kick_click=0.1, snare_noise=0.55, hat_decay=0.02),
    master=Master(tilt=(0, 2, 1, 0, -1, -2, -3), reverb=0.9, wet=0.35, ratio=1.3, loudness=-21),
)
BALLAD = replace(
    COMBO, tempo=(58, 88), grooves=(("brush x.x.x.x.", "hat ..o...o."), ("brush xx.xxx.x",)),
    parts=(
        Part("bass", ("upright",), ("w.w.", "1...5...", "1..55..a"), 1, 38, 1.0, 0.1),
        Part("comp", ("piano", "clean", "rhodes"), ("x...", "x..x..x."), -3, 60, 1.0, 0.2),
        Part("lead", ("sax", "muted", "crooner", "flute"),
             ("x...x.xx|x.......", "..x.xxx.|x...x..."), 0, 67, 1.0, 0.3),
    ),
)
BIG_BAND = replace(
    COMBO, tempo=(120, 190), drums=-2,
    parts=(
        *COMBO.parts[:1],
        Part("comp", ("piano", "clean"), ("xxxx", "s.s.s.s."), -6, 58, 0.6),
        Part("riff", ("horns", "trumpet"), ("..x....x|........", "x..x..x.|..x.....",
             "x.......|.x.x...."),
             -1, 65, 0.6, 0.4),
        *COMBO.parts[2:],
    ),
    master=replace(COMBO.master, tilt=(-1, 1, 1, 2, 1, -2, -5), loudness=-19, hiss=-46),
)
