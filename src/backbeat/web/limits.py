"""How much one visitor may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused, and when.

    Attributes
    ----------
    megabytes : float
        Most of one file, of 2**20 bytes each, as browsers count them.
    minutes : float
        Longest song.
    seconds : float
        Longest time that a song may wait for its turn, and again that its answer may take.
    at_once : int
        Songs answered at the same time; the page and the API share them.
    waiting : int
        Songs that may wait for their turn; one more is refused.
    files : int
        Most files in one go of the page.
    """

    megabytes: float = 50
    minutes: float = 20
    seconds: float = 120
    at_once: int = 2
    waiting: int = 16
    files: int = 100

    @property
    def bytes(self) -> int:
        """The most bytes of one file."""
        return int(self.megabytes * 2**20)

    @property
    def request_bytes(self) -> int:
        """The most bytes of one request of the page, which may hold many files."""
        return 10 * self.bytes

    @property
    def stored_bytes(self) -> int:
        """The most bytes of all that was sent and is not answered yet."""
        return 4 * self.request_bytes

    @property
    def grace_seconds(self) -> float:
        """How long a request may take to come, beside a second for each 16 KiB that came."""
        return min(30.0, self.seconds)
