"""The names of MusiCNN's 50 outputs, in their order.

The 50 most frequent tags of the Million Song Dataset [1]_, spelled as there. They are Last.fm's,
written by listeners, and many are genres.

References
----------
.. [1] T. Bertin-Mahieux, D. Ellis, B. Whitman and P. Lamere, "The Million Song Dataset",
   ISMIR 2011.
"""

MSD: tuple[str, ...] = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock",
    "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental",
    "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop",
    "sad", "House", "happy",
)  # fmt: skip
