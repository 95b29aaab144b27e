"""Changes of a file that keep what it is: of tokens, cells, lines and bytes that count things."""

import random
import re
from collections.abc import Sequence

NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"1e308", b"-1e308", b"1e309", b"1e-320", b"nan", b"inf", b"-inf",
    b"9" * 20, b"9" * 4400, b"0x10", b"1_0", "²".encode(), "٣".encode(), b"1,5", b"", b"1.#QNAN",
    b"2147483648", b"18446744073709551616", b"true", b"null", b"1e400000",
)  # fmt: skip
TEXTS = (
    b"", b" ", b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b'"', b"'", b"\\", b"..",
    b"../x", b"/etc/passwd", b"\x1b[2J", "é".encode(), "\u2028".encode(), "\ud800".encode(
        "utf-8", "surrogatepass"
    ), b"time", b"A" * 300, b"%s%n", b"[" * 60, b"{" * 60,
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
WORD = re.compile(rb"[A-Za-z_#][A-Za-z_0-9#/]*")
WORDS = (0, 1, 2, 255, 127, 128, 80, 0x7FFF, 0x8000, 0xFFFF)


class Mutation:
    """Changes files.

    Args:
        tokens: words of the format, which are put where other words stand.
    """

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._texts = (*TEXTS, *tokens)

    def changed(self, data: bytes, most: int, seed: int) -> bytes:
        """The file with one to three changes, the same for the same seed; `most` bytes at most."""
        dice = random.Random(seed)
        changes = (
            self._number, self._number, self._word, self._line, self._cell, self._cut, self._count,
        )  # fmt: skip
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            data = dice.choice(changes)(data, dice)
        return data[:most]

    def _number(self, data: bytes, dice: random.Random) -> bytes:
        """Another number in a number's place."""
        return _replaced(data, NUMBER, dice.choice(NUMBERS), dice)

    def _word(self, data: bytes, dice: random.Random) -> bytes:
        return _replaced(data, WORD, dice.choice(self._texts), dice)

    def _line(self, data: bytes, dice: random.Random) -> bytes:
        """A line left out, doubled, moved or emptied."""
        return _rearranged(data, b"\n", dice)

    def _cell(self, data: bytes, dice: random.Random) -> bytes:
        return _rearranged(data, dice.choice((b"\t", b",", b" ", b":", b"<", b"{", b"[")), dice)

    def _cut(self, data: bytes, dice: random.Random) -> bytes:
        """A stretch left out, or a text put in."""
        place = dice.randint(0, len(data))
        if dice.random() < 0.5:
            return data[:place] + data[place + dice.randint(1, 40) :]
        return data[:place] + dice.choice(self._texts) + data[place:]

    def _count(self, data: bytes, dice: random.Random) -> bytes:
        """Another byte or word of sixteen bits, near the start more often: headers count there."""
        place = min(int(dice.expovariate(1 / 300)), max(0, len(data) - 2))
        word = dice.choice(WORDS)
        size = 1 if word < 256 and dice.random() < 0.5 else 2
        order = "little" if dice.random() < 0.8 else "big"
        return data[:place] + word.to_bytes(size, order) + data[place + size :]


def _replaced(data: bytes, pattern: re.Pattern[bytes], by: bytes, dice: random.Random) -> bytes:
    found = list(pattern.finditer(data))
    if not found:
        return data + by
    chosen = dice.choice(found)
    return data[: chosen.start()] + by + data[chosen.end() :]


def _rearranged(data: bytes, mark: bytes, dice: random.Random) -> bytes:
    parts = data.split(mark)
    place, other = (dice.randrange(len(parts)) for _ in range(2))
    what = dice.randrange(4)
    if what == 0:
        del parts[place]
    elif what == 1:
        parts.insert(other, parts[place])
    elif what == 2:
        parts[place], parts[other] = parts[other], parts[place]
    else:
        parts[place] = b""
    return mark.join(parts)
