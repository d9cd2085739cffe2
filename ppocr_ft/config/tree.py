"""A config as plain data that knows where each value was written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ppocr_ft.config.faults import Fault, Place, is_under


@dataclass
class Tree:
    """A config as plain data (dict, list, str, int, float, bool, None), and where it stands.

    ``places`` maps dotted keys to where they were written; ``faults`` is what is wrong so far;
    ``unreadable`` are keys whose value could not be read and stands as None.
    """

    data: object
    places: dict[str, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def place_of(self, key: str) -> Place:
        """Where ``key`` stands; for one that isn't written, where its section stands."""
        while key not in self.places and key:
            key = key.rpartition(".")[0]
        return self.places.get(key, Place(""))

    def put_place(self, key: str, place: Place) -> None:
        """``key`` and all below it was written at ``place``."""
        for below in [known for known in self.places if is_under(known, key)]:
            del self.places[below]
        self.places[key] = place

    def locate(self, fault: Fault) -> Fault:
        """The fault with its file and line filled in."""
        place = self.place_of(fault.key)
        return replace(fault, path=place.path, line=place.line)

    def add(self, fault: Fault) -> None:
        self.faults.append(self.locate(fault))
