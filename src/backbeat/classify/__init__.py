"""Songs to answers: windows of a song, a classifier, many songs at once, answers written."""
