"""Characters as seven or fourteen segments and as 5 x 7 dots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Strokes = dict[str, tuple[Point, Point]]

# Segment ends in a unit cell: x and y from 0 to 1, y down.
_FRAME: Strokes = {
    "a": ((0, 0), (1, 0)),
    "b": ((1, 0), (1, 0.5)),
    "c": ((1, 0.5), (1, 1)),
    "d": ((0, 1), (1, 1)),
    "e": ((0, 0.5), (0, 1)),
    "f": ((0, 0), (0, 0.5)),
}
SEVEN_STROKES: Strokes = {**_FRAME, "g": ((0, 0.5), (1, 0.5))}
FOURTEEN_STROKES: Strokes = {
    **_FRAME,
    "g": ((0, 0.5), (0.5, 0.5)),
    "h": ((0.5, 0.5), (1, 0.5)),
    "i": ((0.1, 0.08), (0.45, 0.44)),
    "j": ((0.5, 0), (0.5, 0.5)),
    "k": ((0.9, 0.08), (0.55, 0.44)),
    "l": ((0.1, 0.92), (0.45, 0.56)),
    "m": ((0.5, 0.5), (0.5, 1)),
    "n": ((0.9, 0.92), (0.55, 0.56)),
}


def _segment_table(pairs: str) -> dict[str, str]:
    return {pair[0]: pair[2:] for pair in pairs.split()}


SEVEN = _segment_table(
    "0=abcdef 1=bc 2=abdeg 3=abcdg 4=bcfg 5=acdfg 6=acdefg 7=abc 8=abcdefg 9=abcdfg -=g "
    "A=abcefg C=adef E=adefg F=aefg H=bcefg L=def P=abefg U=bcdef b=cdefg d=bcdeg n=ceg "
    "o=cdeg r=eg t=defg"
)
FOURTEEN = _segment_table(
    "0=abcdefkl 1=bck 2=abdegh 3=abcdh 4=bcfgh 5=acdfgh 6=acdefgh 7=abc 8=abcdefgh 9=abcdfgh "
    "A=abcefgh B=abcdhjm C=adef D=abcdjm E=adefg F=aefg G=acdefh H=bcefgh I=adjm J=bcde "
    "K=efgkn L=def M=bcefik N=bcefin O=abcdef P=abefgh Q=abcdefn R=abefghn S=acdfgh T=ajm "
    "U=bcdef V=efkl W=bcefln X=ikln Y=ikm Z=adkl -=gh +=ghjm /=kl"
)

_DOT_ROWS = (
    (
        "0123456789",
        """
.###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...#
#..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ..##. ..##. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. .#... ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. #.... #...# ...#. #...# #...# .#... #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
""",
    ),
    (
        "ABCDEFGHIJ",
        """
.###. ####. .###. ####. ##### ##### .###. #...# .###. ..###
#...# #...# #...# #...# #.... #.... #...# #...# ..#.. ...#.
#...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#.
##### ####. #.... #...# ####. ####. #.### ##### ..#.. ...#.
#...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#.
#...# #...# #...# #...# #.... #.... #...# #...# ..#.. #..#.
#...# ####. .###. ####. ##### #.... .###. #...# .###. .##..
""",
    ),
    (
        "KLMNOPQRST",
        """
#...# #.... #...# #...# .###. ####. .###. ####. .#### #####
#..#. #.... ##.## ##..# #...# #...# #...# #...# #.... ..#..
#.#.. #.... #.#.# #.#.# #...# #...# #...# #...# #.... ..#..
##... #.... #.#.# #..## #...# ####. #...# ####. .###. ..#..
#.#.. #.... #...# #...# #...# #.... #.#.# #.#.. ....# ..#..
#..#. #.... #...# #...# #...# #.... #..#. #..#. ....# ..#..
#...# ##### #...# #...# .###. #.... .##.# #...# ####. ..#..
""",
    ),
    (
        "UVWXYZ-/.:",
        """
#...# #...# #...# #...# #...# ##### ..... ....# ..... .....
#...# #...# #...# #...# #...# ....# ..... ....# ..... ..#..
#...# #...# #...# .#.#. .#.#. ...#. ..... ...#. ..... ..#..
#...# #...# #.#.# ..#.. ..#.. ..#.. ##### ..#.. ..... .....
#...# #...# #.#.# .#.#. ..#.. .#... ..... .#... ..... ..#..
#...# .#.#. ##.## #...# ..#.. #.... ..... #.... .##.. ..#..
.###. ..#.. #...# #...# ..#.. ##### ..... #.... .##.. .....
""",
    ),
)


def _dot_table() -> dict[str, NDArray[np.bool_]]:
    table = {" ": np.zeros((7, 5), bool)}
    for characters, picture in _DOT_ROWS:
        rows = [line.split() for line in picture.strip().splitlines()]
        for column, character in enumerate(characters):
            table[character] = np.array([[dot == "#" for dot in row[column]] for row in rows])
    return table


DOTS = _dot_table()
"""Character -> (7, 5) bool, True where a dot is set."""
