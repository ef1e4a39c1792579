"""A file to mono float32 samples at a given rate, in bounded memory.

A file's first bytes decide what reads it, never its suffix. libsndfile reads uncompressed samples
(WAV, AU, AIFF, CAF): it is the fastest. FFmpeg, by PyAV, reads compressed sound, also in a WAV that
declares samples, and a WAV or AIFF whose coding libsndfile does not know. libsndfile reads MP3 of
free format, which FFmpeg does not.

- `reading`: any file opened by its first bytes, mixed, resampled, read: begin there;
- `source`: an open file, what its header says, the error that names it, the limits;
- `sndfile`, `ffmpeg`: the two readers;
- `containers`, `integrity`: the length that a header declares, and what is wrong with a file.

libsndfile plays MP3 and Ogg as well, but not in blocks as soundfile calls it: soundfile seeks after
every block, which loses the decoder's memory of earlier frames (an error of 0.2 of full scale after
each block of a 22,050 Hz MP3), makes a cut FLAC lose what lies before the cut, and lets mpg123
print warnings that name no file. FFmpeg's samples agree with libsndfile's in one piece to 2e-6.
"""

from backbeat.audio.reading import duration, mono_blocks, open_source, read
from backbeat.audio.source import (
    AUDIO_SUFFIXES,
    BLOCK_SAMPLES,
    LOUDEST,
    NO_SOUND,
    AudioError,
    AudioInfo,
    Source,
    is_sound,
    open_samples,
)
