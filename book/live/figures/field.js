/* Which part of its input a place of a mask can see, by poolings d, units r, activation f1, f2 or f3, and position
 * (chapter 4). No attributes.
 *
 * Rows and columns behave alike, so one axis is followed: from a place of the mask back through the units (one row to
 * each side), the interpolation (the two rows it mixes) and the poolings (three rows), down every path to the input.
 */
(function () {
  "use strict";

  const SIZE = 32;
  const hull = (a, b) => [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
  const grow = ([low, high], by, size) => [Math.max(low - by, 0), Math.min(high + by, size - 1)];

  // From rows of the mask's level to rows of the branch's input. f1 and f2 look at logits of the place itself; f3
  // compares them with the mean and the deviation of their whole map.
  function seen(rows, d, r, f = "f1") {
    if (f === "f3") rows = [0, SIZE - 1];
    if (d === 0) return grow(rows, 3, SIZE); // the local mask: three units at full resolution
    const sizes = Array.from({ length: d + 1 }, (_, level) => SIZE >> level);
    const up = (range, from, to) => range.map((row, end) => {
      const at = to > 1 ? row * (from - 1) / (to - 1) : 0;
      return end === 0 ? Math.floor(at) : Math.min(Math.ceil(at), from - 1);
    });
    // rows of a level's output on the way down, followed to the input
    const down = (range, level) => {
      for (; level > 0; level--) {
        range = grow(range, level === d ? 2 * r : r, sizes[level]);
        range = [2 * range[0], Math.min(2 * range[1] + 2, sizes[level - 1] - 1)];
      }
      return range;
    };
    let range = rows, skips = null;
    for (let level = 0; level < d; level++) {
      if (level > 0) {
        range = grow(range, r, sizes[level]); // units on the way up
        const skip = down(grow(range, 1, sizes[level]), level); // one unit, then what the way down has seen
        skips = skips ? hull(skips, skip) : skip;
      }
      range = up(range, sizes[level + 1], sizes[level]);
    }
    const deep = down(range, d);
    return skips ? hull(deep, skips) : deep;
  }

  live.field = { SIZE, grow, seen };
})();

live.figure("field", function (host) {
  "use strict";
  const { card, choice, el, paint, picture, placed, slider } = live.parts, { SIZE, grow, seen } = live.field;
  const state = { d: 3, r: 1, f: "f1", x: 6, y: 9 };
  const LOGITS = { f1: "its own logit", f2: "the logits of all channels at its place", f3: "all logits of its channel, for their mean and deviation" };
  const maps = ["A place of T", "The same place of M"].map((title) => {
    const canvas = picture(title), places = placed(canvas, `${title}. Arrow keys move it.`, ({ x, y }) => { Object.assign(state, { x, y }); draw(); });
    const words = el("p", { class: "live-note" });
    return { canvas, places, words, node: card(title, places, words) };
  });
  const finding = el("p", { class: "live-finding live-tall", role: "status" });
  const units = slider("Units r", { min: 1, max: 3, value: state.r }, (v) => { state.r = v; draw(); });

  function draw() {
    const { d, r, f, x, y } = state;
    units.querySelector("input").disabled = d === 0; // a local mask has no poolings with units between them
    const fields = [[y, x].map((at) => grow([at, at], 2, SIZE)), [y, x].map((at) => seen([at, at], d, r, f))];
    const size = ([low, high]) => high - low + 1;
    fields.forEach(([rows, columns], i) => {
      paint(maps[i].canvas, SIZE, SIZE, (p) => {
        const v = Math.floor(p / SIZE), u = p % SIZE, inside = v >= rows[0] && v <= rows[1] && u >= columns[0] && u <= columns[1];
        const odd = (u + v) % 2 * 8;
        return inside ? (i ? [226 - odd, 130 - odd, 70 - odd] : [60 - odd, 140 - odd, 200 - odd]) : [238 - odd, 241 - odd, 244 - odd];
      });
      maps[i].places.mark(x, y);
      const all = size(rows) === SIZE && size(columns) === SIZE, cut = !all && [...rows, ...columns].some((end) => end === 0 || end === SIZE - 1);
      maps[i].words.textContent = `sees ${size(rows)} × ${size(columns)} of ${SIZE} × ${SIZE}${cut ? ", up to the map's edge" : ""}`;
      maps[i].canvas.setAttribute("aria-label", maps[i].words.textContent);
    });
    const [trunk, mask] = fields.map(([rows, columns]) => size(rows) * size(columns) / SIZE ** 2);
    finding.textContent = `The trunk's two units see ${Math.max(1, Math.round(100 * trunk))} % of the map at this place, ${d ? `a mask with ${d} pooling${d > 1 ? "s" : ""} and r = ${r}` : "a local mask"} sees ${Math.round(100 * mask)} %: with ${f} each value of M is made from ${LOGITS[f]}.`;
  }

  host.append(finding, el("div", { class: "live-cards live-two live-aligned", style: "--rows: 3" }, ...maps.map(({ node }) => node)),
    choice("Poolings d", [["0", "0 (local)"], ["1", "1"], ["2", "2"], ["3", "3"]], String(state.d), (v) => { state.d = Number(v); draw(); }),
    choice("Activation", [["f1", "f1 mixed"], ["f2", "f2 channel"], ["f3", "f3 spatial"]], state.f, (v) => { state.f = v; draw(); }),
    units);
  draw();
});
