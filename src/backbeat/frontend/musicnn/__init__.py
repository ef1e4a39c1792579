"""MusiCNN: a network that was trained to tag music, for its features.

MusiCNN [1]_ hears 3 s of a log-mel spectrogram by filters that are tall (timbre) or long (rhythm),
and tells which of 50 tags fit. It was trained on the Million Song Dataset (MSD) or on MagnaTagATune
(MTT); what its layers say of a song tells genres apart better than anything trained on GTZAN alone.

- `frontend`: samples at 16 kHz to its input, (187 frames, 96 bands) a patch;
- `maps`: the same, as near as may be, from log-mel maps;
- `runtime`: the network as ONNX, without TensorFlow;
- `tags`: the names of its 50 outputs.

The weights are (c) Music Technology Group, Universitat Pompeu Fabra 2019, under the ISC licence
(in the file NOTICE), which travels inside every ONNX file that ``tools/convert_musicnn.py`` makes.

References
----------
.. [1] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking demo, ISMIR 2019.
"""
