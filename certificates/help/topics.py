"""One topic of the help, found by the names of the addresses that it explains."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True)
class Topic:
    """One topic: the addresses it explains, its title, its paragraphs."""

    addresses: tuple[str, ...]
    title: Text
    text: tuple[Text, ...]

    def anchors(self) -> list[str]:
        """Return what links to this topic name."""
        return [anchor(address) for address in self.addresses]


def anchor(address: str) -> str:
    """Return the anchor of an address, as the frame of every page links to it."""
    return address.replace(":", "-")
