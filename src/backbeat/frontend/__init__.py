"""The front-ends: from samples to MFCC slices, log-mel maps or MusiCNN's patches.

Each is a frozen set of parameters (`Mfcc`, `LogMel`, `Musicnn`) that travels with every feature
store and every bundle, and pure functions from mono float32 samples to a float32 array.

- `mfccs`, `maps`, `musicnn`: the three;
- `vectors`: what stands in their place where features were made elsewhere;
- `kinds`: by name, and as data;
- `inputs`: from what they extract to what a network takes;
- `streaming`: songs of any length in windows.

Conventions of `Mfcc` and `LogMel` are librosa's: frames are centred on multiples of the hop, and
the signal is padded by half a frame of zeros at both ends; see `spectrum` for the rest. librosa
itself is the oracle in the tests and is never imported here.
"""

from backbeat.frontend.inputs import as_input, input_shape, mfcc_slices, standardise
from backbeat.frontend.kinds import NAMES, FrontEnd, by_name, from_dict, too_short
from backbeat.frontend.maps import LogMel, logmel, picked_frames
from backbeat.frontend.mfccs import Mfcc, mfcc
from backbeat.frontend.musicnn import Musicnn
from backbeat.frontend.streaming import half_minute, spread, starts, windows
from backbeat.frontend.vectors import Vectors
