"""How much one visitor may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused, and when."""

    megabytes: float = 50
    """Largest file, in units of 2**20 bytes, as browsers count them."""
    minutes: float = 20
    """Longest song."""
    seconds: float = 120
    """Longest wait for a turn, and again for the answer."""
    at_once: int = 2
    """Songs classified at the same time; the page and the API share them."""
    waiting: int = 16
    """Songs that may wait for their turn; one more is refused."""
    files: int = 100
    """Most files in one upload of the page."""

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
        """The most bytes of all uploads that are not answered yet."""
        return 4 * self.request_bytes

    @property
    def grace_seconds(self) -> float:
        """Seconds for a request to arrive, beside one for each 16 KiB that came."""
        return min(30.0, self.seconds)
