"""How many songs keep their answer when their sound is changed, and the answers for no music.

    python benchmarks/robustness.py FOLDER [--model gtzan]

FOLDER holds songs (such as a folder a genre). Each is classified unchanged and after each change; a
row a change: the share of songs whose likeliest genre stays, and the median of the greatest change
of a probability. Then noise, tones and, where espeak-ng is installed, speech.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from backbeat import audio
from backbeat.classify import Answer, Classifier, find_songs, load
from backbeat.files.text import number, percent, probability

RATE = 22_050


def encode(samples: np.ndarray, rate: int, path: Path, codec: str, kbit: int) -> None:
    """Write samples (n,) by a lossy codec."""
    target = 48_000 if codec == "libopus" else rate
    if target != rate:
        samples = soxr.resample(samples, rate, target)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=target)
        stream.bit_rate = kbit * 1000
        stream.layout = "mono"
        resampler = av.AudioResampler(stream.format, "mono", target)
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.float32)[np.newaxis], format="fltp", layout="mono"
        )
        frame.sample_rate = target
        size = stream.codec_context.frame_size or 1152
        fifo = av.AudioFifo()
        for converted in resampler.resample(frame):
            fifo.write(converted)
        while (part := fifo.read(size, partial=fifo.samples < size)) is not None:
            for packet in stream.encode(part):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def lossy(codec: str, kbit: int, suffix: str) -> Callable[[np.ndarray, Path], Path]:
    def change(samples: np.ndarray, stem: Path) -> Path:
        path = stem.with_suffix(suffix)
        encode(samples, RATE, path, codec, kbit)
        return path

    return change


def plain(
    function: Callable[[np.ndarray], np.ndarray], rate: int = RATE
) -> Callable[[np.ndarray, Path], Path]:
    def change(samples: np.ndarray, stem: Path) -> Path:
        path = stem.with_suffix(".wav")
        soundfile.write(path, np.clip(function(samples), -1, 1), rate, subtype="PCM_16")
        return path

    return change


def stereo(samples: np.ndarray) -> np.ndarray:
    wide = soxr.resample(samples, RATE, 44_100)
    return np.stack([wide, wide], axis=1)


def semitone(samples: np.ndarray) -> np.ndarray:
    """Up a semitone and as much faster, as a record player does."""
    return soxr.resample(samples, RATE, RATE / 2 ** (1 / 12))


CHANGES = {
    "MP3, 64 kbit/s": lossy("libmp3lame", 64, ".mp3"),
    "MP3, 128 kbit/s": lossy("libmp3lame", 128, ".mp3"),
    "MP3, 320 kbit/s (160 at this rate)": lossy("libmp3lame", 160, ".mp3"),
    "Opus, 96 kbit/s": lossy("libopus", 96, ".opus"),
    "44.1 kHz, stereo": plain(stereo, 44_100),
    "16 kHz copy": plain(lambda x: soxr.resample(x, RATE, 16_000), 16_000),
    "8 kHz copy": plain(lambda x: soxr.resample(x, RATE, 8_000), 8_000),
    "12 dB quieter": plain(lambda x: x / 4),
    "6 dB louder, clipped": plain(lambda x: 2 * x),
    "5 s of silence before": plain(lambda x: np.concatenate([np.zeros(5 * RATE), x])),
    "up a semitone (and faster)": plain(semitone),
    "10 s in the middle": plain(lambda x: x[10 * RATE : 20 * RATE]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers to changed songs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="gtzan")
    chosen = parser.parse_args()
    classifier = load(chosen.model)
    songs = list(find_songs([chosen.folder]))
    before = [classifier.classify(song) for song in songs]
    print(f"| change ({len(songs)} songs) | keep their answer | median change of a probability |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CHANGES.items():
            kept, moved = [], []
            for song, answer in zip(songs, before, strict=True):
                path = change(audio.read(song, sample_rate=RATE), Path(folder) / "song")
                after = classifier.classify(path)
                path.unlink()
                kept.append(after.genre == answer.genre)
                moved.append(largest_move(answer, after))
            shown = f"{percent(np.mean(kept), 0)} | {number(np.median(moved), 3)}"
            print(f"| {name} | {shown} |", flush=True)
        no_music(classifier, Path(folder))


def largest_move(one: Answer, other: Answer) -> float:
    after = dict(other.ranking)
    return max(abs(after[genre] - p) for genre, p in one.ranking)


def no_music(classifier: Classifier, folder: Path) -> None:
    random = np.random.default_rng(0)
    t = np.arange(30 * RATE) / RATE
    pink = np.fft.rfft(random.standard_normal(len(t)))
    pink[1:] /= np.sqrt(np.arange(1, len(pink)))
    sounds = {
        "white noise": random.normal(0, 0.1, len(t)),
        "pink noise": 0.3 * np.fft.irfft(pink, len(t)) * 10,
        **{f"sine, {hertz} Hz": 0.3 * np.sin(2 * np.pi * hertz * t) for hertz in (110, 440, 3000)},
    }
    if shutil.which("espeak-ng"):
        text = "It was a bright cold day in April, and the clocks were striking thirteen. " * 6
        for voice in ("en", "de", "fr"):
            path = folder / "speech.wav"
            command = ["espeak-ng", "-v", voice, "-w", str(path), text]
            subprocess.run(command, check=True)
            sounds[f"speech ({voice})"] = audio.read(path, sample_rate=RATE)
    print("\n| no music | verdict | likeliest |\n| --- | --- | --- |")
    for name, samples in sounds.items():
        soundfile.write(folder / "a.wav", np.clip(samples, -1, 1), RATE)
        answer = classifier.classify(folder / "a.wav")
        likeliest = f"{answer.genre} {probability(answer.probability)}"
        print(f"| {name} | {answer.verdict} | {likeliest} |", flush=True)


if __name__ == "__main__":
    main()
