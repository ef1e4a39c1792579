"""Whether two files hold the same sound: their packets, as coded, without decoding them."""

import hashlib
from pathlib import Path
from typing import BinaryIO

import av

from backbeat.audio.ffmpeg import is_cover, open_container


def same_sound(one: Path | BinaryIO, other: Path | BinaryIO) -> bool:
    """Whether the streams of two files agree, packet for packet and tick for tick.

    Parameters
    ----------
    one, other : Path or binary file

    Returns
    -------
    bool
        False, too, if FFmpeg cannot read one of them to its end, or finds no sound.
    """
    packets = _packets(one)
    return bool(packets) and packets == _packets(other)


def _packets(file: Path | BinaryIO) -> list[tuple[int, int, str]]:
    """Tell place, number of packets and digest of each stream; none on an error."""
    try:
        with open_container(file) as container:
            # Of a video, its pictures too; cover art is a tag, and may stand elsewhere.
            streams = [one for one in container.streams if not is_cover(one)]
            digests = {stream.index: hashlib.sha256() for stream in streams}
            counts = dict.fromkeys(digests, 0)
            for packet in container.demux(streams):
                digest = digests[packet.stream.index]
                digest.update(f"{packet.pts} {packet.dts} {packet.size} ".encode())
                digest.update(bytes(packet))
                counts[packet.stream.index] += 1
            return [
                (stream.index, counts[stream.index], digests[stream.index].hexdigest())
                for stream in streams
            ]
    except av.FFmpegError:
        return []
