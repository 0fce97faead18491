"""The one exception that a user is shown without a traceback."""

from __future__ import annotations


class UserError(ValueError):
    """Something that the user can mend: its message is one line saying what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        whole = " ".join(line.strip() for line in message.splitlines())
        super().__init__(whole.encode(errors="backslashreplace").decode())
