"""One reader of text files: marks, line ends, and errors at their place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from spenser_gee.errors import InputError
from spenser_gee.text import read_text

TEXT = "one\n\ntwo é\nthree"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends(tmp_path: Path, mark: str, end: str) -> None:
    (tmp_path / "a").write_bytes((mark + TEXT.replace("\n", end)).encode())
    assert read_text(tmp_path / "a", "network") == TEXT


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\r2\r\n3\n\r4\r\r\n")
    assert read_text(tmp_path / "a", "network") == "1\n2\n3\n\n4\n\n"


# (the file's bytes, where, a piece of the message)
BAD = {
    "latin-1": (b"a\r\nb\rc \xe9 d\n", "3:3", "not UTF-8 text: byte 0xe9 at offset 7"),
    "after a mark": (b"\xef\xbb\xbfab\xff", "1:3", "byte 0xff at offset 5"),
    "cut off": ("é".encode()[:1], "1:1", "byte 0xc3 at offset 0"),
    "surrogate": (b"\n\xed\xa0\x80", "2:1", "byte 0xed at offset 1"),
    "utf-16 le": (TEXT.encode("utf-16"), "1:1", "not UTF-8 text but UTF-16"),
    "utf-16 be": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "1:1", "not UTF-8 text but UTF-16"),
    "utf-32": (TEXT.encode("utf-32"), "1:1", "not UTF-8 text but UTF-32"),
    "utf-16 without a mark": ("ab\ncd".encode("utf-16-le"), "1:2", "is it UTF-16?"),
    "nul": (b"abc\rde\0fghijk\n", "2:3", "NUL character"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_is_refused_at_its_place(tmp_path: Path, name: str) -> None:
    data, place, message = BAD[name]
    path = tmp_path / "a.net"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_text(path, "network")
    (finding,) = caught.value.findings
    assert str(finding.place) == f"{path}:{place}"
    assert message in finding.problem
    assert ("UTF-16" in finding.problem) == name.startswith("utf-16")
    assert str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "lenet.net").write_text("x")
    with pytest.raises(
        InputError, match=r"lent\.net: cannot read the network: No such file .*lenet\.net\"\?"
    ):
        read_text(tmp_path / "lent.net", "network")
    with pytest.raises(InputError, match="cannot read the network: Is a directory\n    name a file"):
        read_text(tmp_path, "network")
    for path in (tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(InputError, match="cannot read the network"):
            read_text(path, "network")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (tmp_path / "a").write_text("x")
    monkeypatch.setattr(Path, "read_bytes", denied)  # root may read everything
    with pytest.raises(InputError, match=r"cannot read the network: Permission denied\n"):
        read_text(tmp_path / "a", "network")
