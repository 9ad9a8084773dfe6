"""What is wrong with where a page's parts lie: found in the browser, as a reader would see it."""

#: Widths of a laptop and of a telephone.
WIDTHS = (1280, 390)

# What may be wider than the window scrolls inside a box of its own, and is left out.
_FAULTS = """() => {
    const faults = [], width = document.documentElement.clientWidth;
    const name = one => `${one.tagName.toLowerCase()}.${one.className} ` +
        `"${(one.textContent || one.alt || '').trim().slice(0, 40)}"`;
    const isShown = one => one.checkVisibility({opacityProperty: true, visibilityProperty: true});
    // Whether it lies in a box that scrolls sideways; and what cuts it off before.
    const around = one => {
        const box = one.getBoundingClientRect();
        for (let up = one.parentElement; up && up !== document.body; up = up.parentElement) {
            const overflow = getComputedStyle(up).overflowX, own = up.getBoundingClientRect();
            if (['auto', 'scroll'].includes(overflow)) return 'scrolls';
            if (['hidden', 'clip'].includes(overflow) && own.width > 1 &&
                (box.right > own.right + 1 || box.left < own.left - 1)) return 'cut';
        }
        return '';
    };
    if (document.documentElement.scrollWidth > width + 1)
        faults.push(`the page is ${document.documentElement.scrollWidth} wide, not ${width}`);
    for (const one of document.body.querySelectorAll('*')) {
        if (!isShown(one) || one.closest('svg, math, [aria-hidden=true]')) continue;
        const box = one.getBoundingClientRect(), style = getComputedStyle(one);
        if (box.width < 2 || box.height < 2) continue;
        const isText = [...one.childNodes].some(
            own => own.nodeType === 3 && own.textContent.trim());
        const isOff = box.right > width + 1 || box.left < -1;
        // What lies wholly beside the window is a drawer that is closed.
        const isClosed = box.left >= width || box.right <= 0;
        const where = around(one);
        if (isText && where === 'cut')
            faults.push(`cut by what is around: ${name(one)}`);
        if (isOff && !isClosed && where !== 'scrolls' && (isText || one.tagName === 'IMG'))
            faults.push(`off the screen: ${name(one)} ${Math.round(box.left)}..` +
                `${Math.round(box.right)}`);
        if (isText && ['hidden', 'clip'].includes(style.overflowX) &&
            one.scrollWidth > one.clientWidth + 1 && style.textOverflow !== 'ellipsis')
            faults.push(`cut: ${name(one)} shows ${one.clientWidth} of ${one.scrollWidth}`);
        if (isText && ['hidden', 'clip'].includes(style.overflowY) &&
            one.scrollHeight > one.clientHeight + 2)
            faults.push(`cut: ${name(one)} shows ${one.clientHeight} of ${one.scrollHeight} px`);
        if (isText && parseFloat(style.fontSize) < 9)
            faults.push(`too small to read: ${name(one)} at ${style.fontSize}`);
        // A word a line is no text: the column is squeezed.
        if (['TD', 'TH'].includes(one.tagName) && one.textContent.trim().length > 20 &&
            box.width < 90)
            faults.push(`a narrow column: ${name(one)} of ${Math.round(box.width)} px`);
    }
    return [...new Set(faults)];
}"""

# Neighbours of a list, of which none may lie on the one before.
_OVERLAPS = """rows => rows.slice(1).map((row, i) => [rows[i], row]).filter(([above, below]) =>
    above.getBoundingClientRect().bottom > below.getBoundingClientRect().top + 1
).map(([above, below]) => `${above.textContent} | ${below.textContent}`)"""


def faults(page):
    """List what lies off the screen, is cut or is too small, in words."""
    return page.evaluate(_FAULTS)


def overlaps(page, selector):
    """List neighbours among elements below each other that lie on one another."""
    return page.eval_on_selector_all(selector, _OVERLAPS)
