"""Find content that a page or an open dialog cuts off, and host names that it breaks."""

from __future__ import annotations

from playwright.sync_api import Page

# Text that is wider than its box, that a box hides, or that is outside of the window. Tables may
# scroll if the user has selected their columns (D-206), or with the longer words of a translation.
# A field scrolls what is typed in it.
CUT = """
() => {
  const found = [], root = document.querySelector("dialog[open]") ?? document.body
  const name = e => `${e.closest("[id]")?.id ?? ""} ${e.localName}.${[...e.classList].join(".")}`
  // A tooltip that is not shown makes its box wider.
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(".why { display: none }")
  document.adoptedStyleSheets = [sheet]
  const hides = new Set(["hidden", "clip"]), scrolls = new Set(["auto", "scroll"])
  for (const e of root.querySelectorAll("*")) {
    if (!e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue
    if (e.closest("svg, .vh, .why, .skip, .scroll.chosen, input, select, textarea")) continue
    if (document.documentElement.lang !== "en" && e.matches(".scroll")) continue
    const style = getComputedStyle(e), box = e.getBoundingClientRect()
    // A text for screen readers is clipped.
    if (box.width < 2 || style.display === "inline" || style.clipPath !== "none") continue
    const wide = e.scrollWidth - e.clientWidth
    const isScrolled = scrolls.has(style.overflowX) && !e.matches("pre, .side")
    if (wide > 1 && (isScrolled || hides.has(style.overflowX)))
      found.push(`${name(e)} is ${wide} px too narrow`)
    const high = e.scrollHeight - e.clientHeight
    if (high > 2 && hides.has(style.overflowY)) found.push(`${name(e)} is ${high} px too low`)
    if (!e.closest(".scroll") && style.position !== "fixed" && box.left < innerWidth
        && box.right > innerWidth + 1) found.push(`${name(e)} is outside of the window`)
  }
  const range = document.createRange()
  for (const text of [...root.querySelectorAll(".host")].flatMap(e => [...e.childNodes])) {
    // A label that is wider than its column has no better place to break.
    if (text.nodeType !== Node.TEXT_NODE || text.length > 20) continue
    range.selectNodeContents(text)
    const broken = new Set([...range.getClientRects()].map(one => Math.round(one.top))).size > 1
    if (broken && !text.data.includes("-")) found.push(`${text.data} is broken in mid-word`)
  }
  for (const link of root.querySelectorAll(".dlg > header > .help-link")) {
    const text = document.createRange(), help = link.getBoundingClientRect()
    text.selectNodeContents(link.parentElement.querySelector("h1, h2"))
    if ([...text.getClientRects()].some(box => box.right > help.left && box.bottom > help.top))
      found.push("the title is under the link to the help")
  }
  // A hint is not content that scrolls. With the longer words of a translation, it ends in dots.
  for (const e of root.querySelectorAll("input:placeholder-shown")) {
    if (!e.checkVisibility({visibilityProperty: true})) continue
    if (document.documentElement.lang !== "en") continue
    const style = getComputedStyle(e), hint = document.createElement("span")
    hint.textContent = e.placeholder
    for (const key of ["fontFamily", "fontSize", "fontWeight", "fontVariantNumeric"])
      hint.style[key] = style[key]
    hint.style.position = "absolute"
    hint.style.whiteSpace = "nowrap"
    root.append(hint)
    const room = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
    const missing = Math.ceil(hint.getBoundingClientRect().width - room)
    hint.remove()
    if (missing > 0) found.push(`${name(e)} is ${missing} px too narrow for its hint`)
  }
  document.adoptedStyleSheets = []
  return found
}
"""
# The widths of the screens on which no page cuts anything off.
WIDTHS = (1920, 1366, 390)


def find_cut_content(page: Page) -> list[str]:
    """Return the elements of the page, or of its open dialog, that cut off or break content."""
    found: list[str] = page.evaluate(CUT)
    return found
