"""Text files that a person wrote: UTF-8 with or without a byte order mark, with any kind of line end."""

from __future__ import annotations

import codecs
from pathlib import Path

from spenser_gee.errors import InputError, Place, input_error, nearest_path, place_at

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_SAVE = "save it as UTF-8"


def read_text(path: str | Path, what: str) -> str:
    """The text of a file, its lines ended by "\\n"; `what` names it in messages ("grammar", "network").

    Raises InputError, at the place where the file stops being text.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(Path(path), what, error) from None
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise input_error(Place(str(path), 1, 1), f"this file is not UTF-8 text but {name}", _SAVE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        head = _with_line_feeds(error.object[: error.start].decode("utf-8"))
        found = (
            f"byte 0x{error.object[error.start]:02x} at offset {len(data) - len(error.object) + error.start}"
        )
        place = place_at(str(path), head, len(head))
        raise input_error(place, f"this file is not UTF-8 text: {found}", _SAVE) from None
    text = _with_line_feeds(text)
    if (at := text.find("\0")) >= 0:
        # Half of the bytes of a text in Latin letters are 0 in UTF-16.
        guess = "; is it UTF-16?" if data.count(0) * 3 > len(data) else ""
        place = place_at(str(path), text[:at], at)
        raise input_error(place, f"this file is no text: it holds a NUL character{guess}", _SAVE)
    return text


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    remedy = "name a file" if isinstance(error, IsADirectoryError) else "check the path"
    problem = f"cannot read the {what}: {reason}{nearest_path(path)}"
    return input_error(str(path), problem, remedy)
