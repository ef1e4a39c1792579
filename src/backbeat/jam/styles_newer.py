"""The genres of the electric studio, as data: disco, hiphop, metal, pop, reggae, rock."""

from dataclasses import replace

from backbeat.jam.drums import Kit
from backbeat.jam.style import Harmony, Master, Part, Style

# One line a part reads better than one line an argument.
# fmt: off

# ----------------------------------------------------------------------------------------- disco
DISCO = Style(
    tempo=(108, 130),
    harmonies=(
        Harmony("dorian", "i7 i7 iv7 iv7"),
        Harmony("minor", "i7 bVII bVI7 V7"),
        Harmony("dorian", "ii7 V7 Imaj7 vi7"),
        Harmony("minor-pentatonic", "i7 i7 bVII bVII bVI bVI V7 V7"),
    ),
    grooves=(
        ("kick X...X...X...X...", "snare ....x.......x...", "open ..x...x...x...x.",
         "hat x...x...x...x..."),
        ("kick X...X...X...X...", "clap ....X.......X...", "hat xoxoxoxoxoxoxoxo"),
        ("kick X...X...X...X...", "snare ....x.......x..-", "open ..x...x...x...x.",
         "tambourine x.xxx.xxx.xxx.xx", "conga ...x..x....x..x."),
    ),
    parts=(
        Part("bass", ("bass", "slap-bass", "synth-bass"),
             ("1.8.1.8.1.8.1.8.", "1..81.8.1..81.8a", "1.1.8...1.3.5.8."), 0, 38, 0.7),
        Part("comp", ("chop", "clav", "rhodes"), ("..ss..ss..ss.sss", "s.ss.ss.s.ss.ss.",
             "..s...s."),
             -5, 64, 0.5),
        Part("pad", ("strings", "sweep"), ("x...", "x......x"), -4, 72, 1.0, 0.5, 0.9, 0.4),
        Part("riff", ("horns", "stab-strings", "trumpet"), ("x..x..x.........|................",
             "......x.x.......", "x.......|..xxx..."), -4, 66, 0.5, 0.7, 0.7),
        Part("lead", ("diva", "singer", "stab-strings", "saw-lead"),
             ("x.xx.x..|x.......", "..x.x.x.|x..x....", "x..x..x.|x..x..x."), -1, 70, 0.95, 0.45),
    ),
    kit=Kit(kick_pitch=56, kick_click=0.4, hat_edge=7200, hat_decay=0.03, snare_decay=0.1),
    master=Master(tilt=(1, 2, 0, 0, 1, 1, 0), reverb=0.9, wet=0.3, ratio=3, loudness=-16.5),
)
EURO_DISCO = replace(
    DISCO, tempo=(116, 138), master=replace(DISCO.master, tilt=(3, 1, -1, -1, 1, 2, 1)),
    parts=(
        Part("bass", ("synth-bass",), ("1818181818181818", "1.118.881.118.88"), 0, 36, 0.7, 0.1),
        Part("comp", ("synth-lead", "clav", "saw-lead"), ("..s...s.", "s..s..s."), -6, 64, 0.5),
        *DISCO.parts[2:],
    ),
)

# ---------------------------------------------------------------------------------------- hiphop
BOOM_BAP = Style(
    tempo=(82, 104), swing=0.58, sixteenths=True,
    harmonies=(
        Harmony("minor-pentatonic", "i7 i7"), Harmony("minor", "i7 bVI"),
        Harmony("dorian", "i7 iv7"), Harmony("minor", "i i bVI V7"),
    ),
    grooves=(
        ("kick X.....x.x.X.....", "snare ....X.......X...", "hat x.x.x.x.x.x.x.x."),
        ("kick X..x......X..x..", "snare ....X..-.-..X...", "hat xxx.x.xxx.xxx.x."),
        ("kick X......X..X.....", "clap ....X.......X...", "hat x.xxx.x.x.xxx.xx"),
    ),
    parts=(
        Part("bass", ("sub-bass", "bass", "upright"), ("1.....1...1.....", "1..........15.3.",
             "1..1......1....."), 1, 36, 0.9),
        Part("comp", ("rhodes", "piano", "clean", "muted"), ("x...............|....x.....x.....",
             "x.....x.........", "1.5.8.5.3.5.8.5."), -5, 60, 0.9),
        Part("lead", ("rapper",), ("x.xxx.xxx.xx.xx.|xxx.xx.xx.xxx...", "xxxxx.x.xxxxx.x.",
             "..xxxxx.xx.xxxx.|x.x.xxxxx......."), 1, 53, 0.8, 0.4, 0.9, 0.05),
        Part("riff", ("horns", "strings", "bells", "flute"), ("x.......x...x...|................",
             "..x...x........."), -5, 66, 0.8, 0.5, 0.7),
    ),
    kit=Kit(kick_pitch=50, kick_decay=0.2, kick_click=0.45, snare_noise=0.75, snare_decay=0.07),
    drums=3, loose=0.004,
    master=Master(tilt=(5, 3, 0, -1, -1, -1, -3), reverb=0.4, wet=0.12, ratio=4, drive=1.4,
                  loudness=-16, hiss=-42),
)
CLUB_RAP = replace(
    BOOM_BAP, tempo=(66, 98), swing=0.5,
    grooves=(
        ("kick X.....x...x.....", "clap ........X.......", "hat x.x.x.xxx.x.xxxx"),
        ("kick X..x..x...x..x..", "snare ....X.......X...", "hat xxxxxxxxxxxxxxxx"),
        ("kick X.........X.x...", "clap ....X.......X...", "cowbell ..x...x."),
    ),
    parts=(
        Part("bass", ("sub-bass", "synth-bass"), ("1.........1.....", "1..1..1...3.5..."),
             3, 33, 1.0, 0.1),
        Part("riff", ("synth-lead", "bells", "stab-strings", "saw-lead"),
             ("1.5.3.1.8.5.3.1.", "x..x..x.|x..x..5.", "8...5..3"), -4, 67, 0.8),
        *BOOM_BAP.parts[2:3],
    ),
    master=replace(BOOM_BAP.master, tilt=(7, 3, -1, -1, 0, 1, 1), loudness=-14.5, hiss=-70),
)

# ----------------------------------------------------------------------------------------- metal
METAL = Style(
    tempo=(124, 190),
    harmonies=(
        Harmony("phrygian", "i5 i5 bII5 i5"), Harmony("minor", "i5 bVI5 bVII5 i5"),
        Harmony("phrygian", "i5 i5 bIII5 bII5"), Harmony("minor", "i5 bVII5 bVI5 V5"),
    ),
    grooves=(
        ("kick xxxxxxxxxxxxxxxx", "snare ....X.......X...", "crash x...............",
         "ride x...x...x...x..."),
        ("kick x.xxx.xxx.xxx.xx", "snare ....X.......X...", "open x...x...x...x..."),
        ("kick x...x...x...x...", "snare ..X...X...X...X.", "hat x.x.x.x.x.x.x.x."),
    ),
    parts=(
        Part("bass", ("pick-bass",), ("1111111111111111", "1.1.1.1.",
             "1.111.111.111.11"), -2, 33, 0.9),
        Part("riff", ("fuzz",), ("pmmmpmmmpmmmpmpm", "p..mmmp..mmmp.p.", "mmmmmmmmp...p...",
             "p.......p...p..."), 3, 42, 0.95, 0.0, 1.0, 0.08),
        Part("lead", ("growl", "fuzz-lead", "singer"),
             ("x.x.x...|x.x.....", "xxxxxxxx|xxxxx...", "x..x..x.|x......."), -1, 62, 0.9, 0.5),
        Part("answer", ("fuzz-lead",), ("................|xxxxxxxxxxxxxxxx", "x..xx..x|xxxxxxxx"),
             -2, 76, 0.95, 0.85, 0.7),
    ),
    drums=1, loose=0.004,
    kit=Kit(kick_pitch=58, kick_decay=0.09, kick_click=0.9, snare_decay=0.11, cymbal_decay=0.7),
    master=Master(tilt=(1, 0, -1, 0, 2, 2, 0), reverb=0.6, wet=0.15, ratio=6, drive=1.8,
                  loudness=-14),
)
DOOM = replace(
    METAL, tempo=(66, 108),
    grooves=(
        ("kick x.....x.", "snare ....X...", "crash x...x..."),
        ("kick x..x..x.", "snare ....X...", "open x.x.x.x."),
    ),
    parts=(
        Part("bass", ("pick-bass", "bass"), ("1.......", "1...1.1."), -1, 33, 1.0),
        Part("riff", ("fuzz",), ("p.......", "p...p.p.", "p..pp..m"), 3, 40, 1.0, 0.0),
        *METAL.parts[2:],
    ),
)

# ------------------------------------------------------------------------------------------- pop
POP = Style(
    tempo=(92, 130),
    harmonies=(
        Harmony("major", "I V vi IV"), Harmony("major", "vi IV I V"), Harmony("major", "I vi IV V"),
        Harmony("major-pentatonic", "IV V iii7 vi"), Harmony("minor", "i bVI bIII bVII"),
    ),
    grooves=(
        ("kick X.....x.X.......", "snare ....X.......X...", "hat x.x.x.x.x.x.x.x."),
        ("kick X...X...X...X...", "clap ....X.......X...", "hat ..x...x...x...x."),
        ("kick X..x....X.x.....", "snare ....X.......X...", "shaker xoxoxoxoxoxoxoxo"),
    ),
    parts=(
        Part("bass", ("synth-bass", "bass"), ("1.1.1.1.", "1...1.5.", "1..1..1."), -1, 38, 0.85),
        Part("comp", ("piano", "steel", "synth-lead", "clean"), ("x..x..x.", "x...x...", "xxxxxxxx",
             "x.xx.xx."), -4, 62, 0.8),
        Part("pad", ("sweep", "pad", "strings"), ("x...",), -5, 66, 1.0, 0.5, 0.85, 0.4),
        Part("arp", ("bells", "synth-lead", "saw-lead"), ("1.5.8.5.", "8.5.3.5.1.5.3.5.",
             "13581358"),
             -7, 74, 0.6, 0.6, 0.6, 0.3, 0.3),
        Part("lead", ("diva", "singer"), ("x.xx.xx.|x...x...", "xx.xx.x.|x.......",
             "..xxx.xx|x.x....."), 2, 69, 0.95, 0.3),
        Part("answer", ("choir", "diva"), ("........|..x...x.", "x.......|x......."),
             -5, 72, 0.95, 0.8, 0.6, 0.5),
    ),
    kit=Kit(kick_pitch=54, kick_click=0.5, snare_decay=0.12, hat_edge=7500),
    master=Master(tilt=(2, 1, -1, 0, 1, 2, 2), reverb=1.0, wet=0.3, ratio=4, drive=1.3,
                  loudness=-15.5),
)
POP_BALLAD = replace(
    POP, tempo=(64, 88), drums=-4, drums_enter=0.55,
    parts=(
        Part("comp", ("piano", "nylon", "rhodes"), ("x...x...", "1.5.8.5.", "x..x..x."),
             -1, 60, 1.0),
        Part("bass", ("bass",), ("1.......", "1.....5."), -1, 38, 1.0, 0.4),
        Part("pad", ("strings", "pad"), ("x...",), -4, 66, 1.0, 0.5, 0.9, 0.5),
        *POP.parts[4:],
    ),
)

# ---------------------------------------------------------------------------------------- reggae
ROOTS = Style(
    tempo=(66, 88), swing=0.55,
    harmonies=(
        Harmony("minor-pentatonic", "i i iv iv"), Harmony("major-pentatonic", "I IV I V"),
        Harmony("dorian", "i bVII i bVII"), Harmony("major-pentatonic", "I ii I ii"),
    ),
    grooves=(
        ("kick ........X.......", "rim ........X.......", "hat x.x.x.x.x.x.x.x."),
        ("kick X.......X.......", "rim ....x.......x...", "hat x.xxx.xxx.xxx.xx"),
        ("kick X...X...X...X...", "snare ........X.......", "hat ..x...x...x...x.",
         "conga ..x..x....x..x.."),
    ),
    parts=(
        Part("bass", ("dub-bass", "bass"), ("1...1.3.5.......", "..1.3.5.1.......",
             "1.1...5.8.5.3..."), 4, 34, 0.85, 0.1),
        Part("comp", ("skank", "piano", "clean"), ("....s.......s...", "..s...s...s...s.",
             "....s.s.....s.s."), -1, 62, 0.4, 0.1, 1.0, 0.2, 0.25),
        Part("arp", ("organ",), ("..ssx.s...ssx.s.", "..1.3.1...1.3.1."), -6, 60, 0.4, 0.3, 0.75),
        Part("lead", ("singer", "crooner", "harmonica", "sax"),
             ("x.xx..x.|x.......", "..x.xx.x|x...x...", "x...x.x.|........"),
             0, 65, 0.9, 0.35, 0.95, 0.3, 0.3),
        Part("answer", ("horns", "organ", "choir"), ("x..x..x.........|................",
             "............x.x.|x..............."), -3, 65, 0.6, 0.6, 0.7, 0.4, 0.4),
    ),
    kit=Kit(kick_pitch=50, kick_decay=0.16, kick_click=0.15, snare_pitch=260, hat_edge=7000),
    drums=-1, loose=0.009,
    master=Master(tilt=(5, 3, 0, -1, -1, -2, -3), reverb=1.1, wet=0.3, ratio=2.5, loudness=-17.5),
)
DANCEHALL = replace(
    ROOTS, tempo=(84, 106), swing=0.5,
    grooves=(
        ("kick X.....X.X.....X.", "snare ...x..x....x..x.", "hat x.x.x.x.x.x.x.x."),
        ("kick X..x..x.X..x..x.", "rim ...X..X....X..X.", "shaker x.xxx.xxx.xxx.xx"),
    ),
    parts=(
        Part("bass", ("sub-bass", "synth-bass"), ("1..1..1.1..1..1.", "1..1..5........."),
             3, 34, 0.8),
        Part("comp", ("skank", "clav", "piano"), ROOTS.parts[1].patterns, -2, 64, 0.4),
        Part("lead", ("rapper", "singer"), ("x.xxx.xxx.xx.xx.|xxx.xx.xx.......",
             "x..x..x.x..x..x."), 1, 57, 0.8, 0.35, 1.0, 0.2, 0.2),
        *ROOTS.parts[4:],
    ),
)

# ------------------------------------------------------------------------------------------ rock
ROCK = Style(
    tempo=(104, 152),
    harmonies=(
        Harmony("minor-pentatonic", "I5 bVII5 IV5 I5"), Harmony("mixolydian", "I I IV V"),
        Harmony("minor-pentatonic", "i5 bIII5 bVII5 IV5"), Harmony("major", "I V vi IV"),
        Harmony("blues", "I7 I7 IV7 I7 V7 IV7 I7 V7"),
    ),
    grooves=(
        ("kick X...X.x.", "snare ..X...X.", "hat xxxxxxxx"),
        ("kick X..x.X..", "snare ..X...X.", "open x.x.x.x."),
        ("kick X.......X.x.....", "snare ....X.......X...", "ride x...x...x...x..."),
    ),
    parts=(
        Part("bass", ("pick-bass", "bass"), ("11111111", "1..11.1.", "1.1.1.5a"), -1, 36, 0.9),
        Part("riff", ("crunch", "fuzz"), ("p.ppp.pp", "p...p.p.", "p.mmp.mm", "p..p..p.|p..pp..."),
             3, 50, 0.9, 0.15),
        Part("comp", ("jangle", "organ", "piano", "crunch"), ("x...x...", "x.x.x.xx", "x......."),
             -5, 60, 0.9, 0.45, 0.75),
        Part("lead", ("singer", "diva", "lead-guitar"), ("x.xxx.x.|x.......", "xx.xx.x.|x..x....",
             "..xxxxx.|x......."), 0, 67, 0.95, 0.4),
        Part("answer", ("lead-guitar", "fuzz-lead"), ("........|x.xxxxx.", "xxxxxxxx|x..x..xx"),
             -2, 73, 0.95, 0.75, 0.75),
    ),
    drums=0,
    kit=Kit(kick_pitch=56, kick_click=0.5, snare_decay=0.12, snare_noise=0.65, cymbal_decay=0.6),
    master=Master(tilt=(0, 1, 0, 0, 1, 0, -1), reverb=0.7, wet=0.22, ratio=3, drive=1.3,
                  loudness=-16),
)
SOFT_ROCK = replace(
    ROCK, tempo=(72, 112),
    parts=(
        *ROCK.parts[:1],
        Part("arp", ("clean", "steel", "jangle"), ("1.5.8.5.", "15358535", "x...x.x."),
             -1, 57, 1.0),
        Part("riff", ("crunch",), ("p.......", "p...p..."), 0, 50, 1.0, 0.75),
        *ROCK.parts[3:],
    ),
    master=replace(ROCK.master, loudness=-18, ratio=2, drive=1.0),
)
