"""MusiCNN: a network trained to tag music, used for its features.

MusiCNN [1]_ takes 3 s of a log-mel spectrogram, with filters that are tall (timbre) or long
(rhythm), and gives the probability of 50 tags. It was trained on the Million Song Dataset
(MSD); its features separate genres better than anything trained on GTZAN alone.

- `frontend`: samples at 16 kHz to its input, (187 frames, 96 bands) a patch;
- `maps`: an approximation of the same from log-mel maps;
- `runtime`: the network as ONNX, without TensorFlow;
- `tags`: the names of its 50 outputs.

The weights are (c) Music Technology Group, Universitat Pompeu Fabra 2019, under the ISC licence
(in the file NOTICE), which every ONNX file made by ``tools/convert_musicnn.py`` contains.

References
----------
.. [1] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking demo, ISMIR 2019.
"""
