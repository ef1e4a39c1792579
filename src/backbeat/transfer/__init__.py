"""Transfer: MusiCNN's features under a small head that is trained in seconds.

MusiCNN (see `frontend.musicnn`) learnt from the Million Song Dataset what music sounds like; a
linear head on the means of its features over a song learns genres from few songs. Since a
mean of linear functions is the function of the mean, the head is trained on songs and answers
patches of 3 s, whose vote (the geometric mean of probabilities) is exactly its answer to the song.

- `embedding`: each patch of a feature store by MusiCNN, once, kept in the store;
- `head`: the linear head, alone and joined to MusiCNN as one ONNX network;
- `vectors`: the same head on any vectors, without MusiCNN;
- `joining`: a head and another network as one, as the bundle `gtzan` is.
"""

from backbeat.transfer.embedding import embed, outline_of_embedding
from backbeat.transfer.head import Head, bundle_frontend, fit_head, head_of, joined_network
from backbeat.transfer.vectors import fit_vector_head, vector_network
