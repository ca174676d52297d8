"""Reads the stripes back from their canvases and compares them with the tokens above them.

Nothing here depends on their layout: under the middle of each token the picture is read from its text down to the next
line, and the stripes found there must be those of the token's values, in the order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

# Defines `readStripes(hidden)` in the page: what lies under each token that is seen, and what should.
READ_STRIPES = r"""
(() => {
    const within = (root, ...selectors) =>
        selectors.reduce((found, selector) => (found.shadowRoot ?? found).querySelector(selector), root);

    /** Spans of the page's text that stand in the editor, as [node, from, to], and the signs of tokens, as elements. */
    const standing = (content, text) => {
        const nodes = [];
        const signs = [];
        let end = 0;
        for (const line of content.querySelectorAll(".cm-line")) {
            const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            const own = [];
            while (walker.nextNode()) {
                const node = walker.currentNode;
                if (node.parentElement.closest("[contenteditable=false]") === null) own.push(node);
            }
            const whole = own.map((node) => node.data).join("");
            let from = text.indexOf(whole, end);
            end = from + whole.length;
            for (const node of own) {
                nodes.push([node, from, from + node.data.length]);
                from += node.data.length;
            }
            signs.push(...line.querySelectorAll(".neuro-sign[data-token]:not(.neuro-segment)"));
        }
        return { nodes, signs };
    };

    /** Colours by name, as they are drawn at full strength. */
    const inks = (keys) => Object.fromEntries(keys.map((key) => {
        const swatch = within(document, "neuro-page", "neuro-side", "neuro-neurons", `[data-key="${key}"] .swatch`);
        return [key, getComputedStyle(swatch, "::before").borderTopColor.match(/[\d.]+/g).map(Number)];
    }));

    window.readStripes = ({ hidden, slate, colours }) => {
        const scroller = stripesScroller();
        const canvases = [...scroller.querySelectorAll(".neuro-stripes canvas")];
        const content = scroller.querySelector(".cm-content");
        const { text, tokens, neurons, focus } = window.neuroscope;
        const lanes = neurons.filter((key) => key !== focus && !hidden.includes(key)).slice(0, 8);
        const pictures = canvases.map((canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return { box: canvas.getBoundingClientRect(), width, height, data };
        });
        const pixel = (x, y) => {
            const picture = pictures.find(({ box }) => y >= box.top && y < box.bottom);
            if (picture === undefined || x < picture.box.left || x >= picture.box.right) return [0, 0, 0, 0];
            const { box, width, height, data } = picture;
            const column = Math.floor(((x - box.left) / box.width) * width);
            const row = Math.floor(((y - box.top) / box.height) * height);
            return data.subarray((row * width + column) * 4, (row * width + column) * 4 + 4);
        };
        const view = scroller.getBoundingClientRect();
        const { nodes, signs } = standing(content, text);
        const range = document.createRange();
        const places = [];
        for (const [node, from, to] of nodes) {
            tokens.forEach((token, i) => {
                const start = Math.max(token.from, from);
                const stop = Math.min(token.to, to);
                if (start >= stop) return;
                // Tokens that share a character share its width.
                let first = i;
                while (first > 0 && tokens[first - 1].to > token.from && !tokens[first - 1].special) first--;
                let last = i;
                const shares = (next) => next !== undefined && next.from < token.to && !next.special;
                while (shares(tokens[last + 1])) last++;
                range.setStart(node, start - from);
                range.setEnd(node, stop - from);
                for (const rect of range.getClientRects()) {
                    const share = rect.width / (last - first + 1);
                    if (share >= 3) places.push([i, rect.left + (i - first + 0.5) * share, rect]);
                }
            });
        }
        for (const sign of signs) {
            const rect = sign.getBoundingClientRect();
            places.push([Number(sign.dataset.token), rect.left + rect.width / 2, rect]);
        }
        const lineHeight = parseFloat(getComputedStyle(content.querySelector(".cm-line")).lineHeight);
        const near = (colour, [red, green, blue]) =>
            Math.max(...[red, green, blue].map((part, j) => Math.abs(part - colour[j])));
        const named = [["slate", slate], ...Object.entries(colours)];
        const found = [];
        for (const [token, x, rect] of places) {
            const middle = (rect.top + rect.bottom) / 2;
            if (middle < view.top || middle + lineHeight > Math.min(view.bottom, innerHeight)) continue;
            const runs = [];
            let before = null;
            for (let y = middle + 8; y < middle + lineHeight - 8; y += 1 / devicePixelRatio) {
                const [red, green, blue, alpha] = pixel(x, y);
                if (alpha === 0) { before = null; continue; }
                const colour = [red, green, blue];
                const [name] = named.reduce((best, one) => (near(one[1], colour) < near(best[1], colour) ? one : best));
                if (before === null || before[0] !== name || Math.abs(before[1] - alpha) > 4) {
                    before = [name, alpha];
                    runs.push(before);
                }
            }
            const wanted = lanes.map((key) => [key, window.neuroscope.bucket(key, token)])
                .filter(([, bucket]) => bucket !== 0 && bucket !== -128);
            found.push({ token, runs, wanted });
        }
        return { lanes, found, drawn: pictures.some(({ data }) => data.some((part) => part !== 0)) };
    };
    window.stripesScroller = () => within(document, "neuro-page", "neuro-editor", ".cm-scroller");
    window.inksOf = inks;
})
"""

# Looks at each frame, in a task of its own after the frame's callbacks: at what is painted. Frames after which the page
# has learnt more, or was resized or scrolled, are left out: what is asked of it then is no longer what it has painted.
WATCH_STRIPES = r"""
(options) => {
    const watched = { judged: 0, skipped: 0, places: 0, wrong: [], strengths: {} };
    window.watchedStripes = watched;
    let known = null;
    const now = () => {
        const { clientWidth, clientHeight, scrollTop } = stripesScroller();
        return [neuroscope.version, recorded.received.length, clientWidth, clientHeight, scrollTop].join();
    };
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
        if (known !== now()) { watched.skipped++; return; }
        watched.judged++;
        for (const { token, runs, wanted } of readStripes(options).found) {
            watched.places++;
            const names = runs.map(([name]) => name).join();
            const right = wanted.map(([key, bucket]) => (bucket < 0 ? "slate" : key)).join();
            if (names !== right) { watched.wrong.push([watched.judged, token, names, right]); continue; }
            wanted.forEach(([, bucket], i) => {
                const seen = (watched.strengths[bucket] ??= []);
                if (!seen.includes(runs[i][1])) seen.push(runs[i][1]);
            });
        }
    };
    const frame = () => {
        known = now();
        port2.postMessage(null);
        watched.next = requestAnimationFrame(frame);
    };
    frame();
}
"""

READ = """
async (options) => {
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    return readStripes(options);
}
"""

STOP = "() => { cancelAnimationFrame(watchedStripes.next); return watchedStripes; }"

SLATES = {"light": (118, 127, 138), "dark": (128, 138, 150)}
"""The colour of negative values of any neuron."""


@dataclass
class Seen:
    """What was read: the runs of colour under each token, and what they should be."""

    lanes: list[str]
    found: list[dict[str, Any]]
    drawn: bool

    def check(self) -> dict[str, list[int]]:
        """Under each token the stripes of its values, in order; one strength for each bucket, that grows with it.

        Returns the opacities by bucket.
        """
        strengths: dict[str, list[int]] = {}
        for place in self.found:
            expected = ["slate" if bucket < 0 else key for key, bucket in place["wanted"]]
            assert [name for name, _ in place["runs"]] == expected, place
            for (_, bucket), (_, alpha) in zip(place["wanted"], place["runs"], strict=True):
                strengths.setdefault(str(bucket), []).append(alpha)
        check_strengths(strengths)
        return strengths


@dataclass
class StripeReader:
    """Reads the stripes of a page; `hidden` are the rows that are hidden."""

    page: Page
    hidden: list[str] = field(default_factory=list)
    theme: str = "light"

    def __post_init__(self) -> None:
        self.page.evaluate(f"() => {{ {READ_STRIPES}(); }}")
        self.colours = self.page.evaluate("() => inksOf(neuroscope.neurons)")

    @property
    def options(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "slate": SLATES[self.theme], "colours": self.colours}

    def read(self) -> Seen:
        """After the frame in which what the page knows is drawn."""
        return Seen(**self.page.evaluate(READ, self.options))

    def watch(self) -> None:
        """From now on look at every frame; the page must have been loaded with `RECORD_SOCKET`."""
        self.page.evaluate(WATCH_STRIPES, self.options)

    def watched(self) -> dict[str, Any]:
        watched: dict[str, Any] = self.page.evaluate(STOP)
        return watched


def check_strengths(strengths: dict[str, list[int]]) -> None:
    """`strengths` are the opacities that were seen of each bucket."""
    means = {}
    for bucket, seen in strengths.items():
        assert max(seen) - min(seen) <= 2, f"bucket {bucket} in several strengths: {seen}"
        means[int(bucket)] = sum(seen) / len(seen)
    for sign in (1, -1):
        rising = sorted((abs(bucket), mean) for bucket, mean in means.items() if bucket * sign > 0)
        assert [mean for _, mean in rising] == sorted({mean for _, mean in rising}), rising
