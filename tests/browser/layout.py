"""Find content that a page or an open dialog cuts off."""

from __future__ import annotations

from playwright.sync_api import Page

# Text that is wider than its box, that a box hides, or that is outside of the window. Tables may
# scroll if the user has selected their columns (D-206). A field scrolls what is typed in it.
CUT = """
() => {
  const found = [], root = document.querySelector("dialog[open]") ?? document.body
  const name = e => `${e.closest("[id]")?.id ?? ""} ${e.localName}.${[...e.classList].join(".")}`
  const hides = new Set(["hidden", "clip"]), scrolls = new Set(["auto", "scroll"])
  for (const e of root.querySelectorAll("*")) {
    if (!e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue
    if (e.closest("svg, .vh, .why, .skip, .scroll.chosen, input, select, textarea")) continue
    const style = getComputedStyle(e), box = e.getBoundingClientRect()
    if (box.width < 2 || style.display === "inline" || !e.clientWidth) continue
    const wide = e.scrollWidth - e.clientWidth
    const isTable = /^(table|thead|tbody|tr)$/.test(e.localName)
    if (wide > 1 && !isTable && !(scrolls.has(style.overflowX) && e.matches("pre, .side")))
      found.push(`${name(e)} is ${wide} px too narrow`)
    const high = e.scrollHeight - e.clientHeight
    if (high > 2 && hides.has(style.overflowY)) found.push(`${name(e)} is ${high} px too low`)
    if (!e.closest(".scroll") && style.position !== "fixed" && box.left < innerWidth
        && box.right > innerWidth + 1) found.push(`${name(e)} is outside of the window`)
  }
  return found
}
"""
# The widths of the screens on which no page cuts anything off.
WIDTHS = (1920, 1366, 390)


def find_cut_content(page: Page) -> list[str]:
    """Return the elements of the page, or of its open dialog, that cut off their content."""
    found: list[str] = page.evaluate(CUT)
    return found
