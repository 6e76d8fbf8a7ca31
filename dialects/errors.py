"""The one exception family for everything a user's input can cause."""


class OctetError(Exception):
    """Names the op, file, option or value at fault, what was expected, and what to do.

    The command-line tools print it as one line on stderr and exit with code 1.
    """

    excerpt: str = ""
    """Lines at the end of the message that keep their breaks: what the user wrote, and a caret."""


class SizeLimitError(OctetError):
    """A size beyond what a table holds; `shape` is what the result would have been."""

    def __init__(self, message: str, shape: tuple[int, ...]):
        super().__init__(message)
        self.shape = shape
