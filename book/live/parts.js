/* Parts of live figures: elements, controls that answer to mouse, touch and keys, pictures, maps and their colour bars. */
(function (live) {
  "use strict";

  // One role, one colour, as in resattn/figures/plots.py.
  const COLOURS = { trunk: "#0072B2", mask: "#D55E00", skip: "#009E73", fusion: "#CC79A7", extra: "#E69F00", light: "#56B4E9", arl: "#CC79A7", nal: "#D55E00" };
  const RAMPS = {
    mask: ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"], // viridis
    features: ["#ffffff", "#b9dcf2", "#56b4e9", "#0072b2", "#003a5c"],
    change: ["#0072b2", "#8ec3e4", "#ffffff", "#f0ac7c", "#d55e00"],
  };
  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const ramps = Object.fromEntries(Object.entries(RAMPS).map(([name, stops]) => [name, stops.map(channels)]));

  function colourOf(ramp, share) {
    const stops = ramps[ramp], at = Math.min(Math.max(share, 0), 1) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((value, i) => value + (at - low) * (stops[low + 1][i] - value));
  }

  // el("p", { class: "note" }, "text", child): attributes, listeners (onclick) and children.
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  }

  let count = 0;
  const newId = () => `live-${++count}`;

  // A slider with its value in words, which a screen reader hears too.
  function slider(label, { min, max, step = 1, value, words = String }, oninput) {
    const id = newId(), shown = el("output", { for: id }, words(value));
    const input = el("input", { type: "range", id, min, max, step, value, "aria-valuetext": words(value) });
    const say = () => { shown.textContent = words(Number(input.value)); input.setAttribute("aria-valuetext", shown.textContent); };
    input.addEventListener("input", () => { say(); oninput(Number(input.value)); });
    const node = el("div", { class: "live-slider" }, el("label", { for: id }, label), input, shown);
    node.set = (now, limits = {}) => { Object.assign(input, limits); input.value = now; say(); };
    node.get = () => Number(input.value);
    return node;
  }

  // One of a few: radio buttons in a row. options: [[value, words], ...]
  function choice(label, options, value, onchange) {
    const name = newId(), node = el("fieldset", { class: "live-choice" }, el("legend", {}, label));
    for (const [key, words] of options) {
      const input = el("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) });
      node.append(el("label", {}, input, el("span", {}, el("span", {}, words)))); // the inner one keeps a line of text together
    }
    node.set = (now) => node.querySelectorAll("input").forEach((input) => { input.checked = input.value === now; });
    return node;
  }

  // One of many: a select.
  function select(label, options, value, onchange) {
    const id = newId(), input = el("select", { id, onchange: () => onchange(input.value) });
    for (const [key, words] of options) input.append(el("option", { value: key, selected: key === value }, words));
    const node = el("div", { class: "live-select" }, el("label", { for: id }, label), input);
    node.set = (now) => { input.value = now; };
    return node;
  }

  const button = (words, onclick, attributes = {}) => el("button", { type: "button", class: "live-button", onclick, ...attributes }, words);

  // Draw H × W squares; colour(place) gives [red, green, blue].
  function paint(canvas, H, W, colour) {
    canvas.width = W;
    canvas.height = H;
    const context = canvas.getContext("2d"), image = context.createImageData(W, H);
    for (let p = 0; p < H * W; p++) {
      const [r, g, b] = colour(p);
      image.data.set([r, g, b, 255], 4 * p);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  const paintPicture = (canvas, x) => paint(canvas, x.H, x.W, (p) => [0, 1, 2].map((c) => x.data[c * x.H * x.W + p]));

  // values: H × W numbers, drawn from low to high
  const paintMap = (canvas, values, H, W, ramp, low, high) => paint(canvas, H, W, (p) => colourOf(ramp, (values[p] - low) / (high - low || 1)));

  const picture = (label) => el("canvas", { class: "live-picture", role: "img", "aria-label": label });

  // A colour bar that says what its colours mean.
  function colourBar(ramp, words, low = "", high = "") {
    const ends = [el("span"), el("span")], title = el("span", { class: "live-bar-words" }), colours = el("span", { class: "live-bar-colours" });
    const node = el("div", { class: "live-bar" }, ends[0], colours, ends[1], title);
    node.set = (newRamp, newWords, newLow, newHigh) => {
      colours.style.background = `linear-gradient(to right, ${RAMPS[newRamp].join(", ")})`;
      title.textContent = newWords;
      ends[0].textContent = minus(newLow);
      ends[1].textContent = minus(newHigh);
    };
    node.set(ramp, words, low, high);
    return node;
  }

  // Class probabilities as bars; with `before`, a mark where each stood without what was forced.
  function answers(classes) {
    const rows = classes.map((name) => {
      const bar = el("span", { class: "live-fill" }), mark = el("span", { class: "live-mark" }), value = el("td", {});
      return { bar, mark, value, row: el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "live-track" }, el("div", {}, bar, mark)), value) };
    });
    const caption = el("caption", {}), node = el("table", { class: "live-answers" }, caption, el("tbody", {}, ...rows.map(({ row }) => row)));
    node.set = (words, now, before) => {
      caption.textContent = words;
      rows.forEach(({ bar, mark, value, row }, i) => {
        bar.style.width = `${100 * now[i]}%`;
        mark.hidden = !before;
        if (before) mark.style.left = `${100 * before[i]}%`;
        value.textContent = percent(now[i]);
        row.classList.toggle("live-first", now[i] === Math.max(...now));
      });
    };
    return node;
  }

  const minus = (number) => String(number).replace(/^-/, "−");
  const decimal = (number, digits = 2) => minus(number.toFixed(digits));
  const percent = (share) => share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`;
  const best = (shares) => shares.indexOf(Math.max(...shares));

  // Summaries over channels: the mean, or of |x|; or one channel.
  function overChannels(x, channel, f = (value) => value) {
    const P = x.H * x.W, values = new Float32Array(P);
    const first = channel < 0 ? 0 : channel, last = channel < 0 ? x.C : channel + 1;
    for (let c = first; c < last; c++) for (let p = 0; p < P; p++) values[p] += f(x.data[c * P + p]) / (last - first);
    return values;
  }

  // A figure in a box: title, what is drawn, a line of text under it.
  function card(title, ...children) {
    return el("div", { class: "live-card" }, el("div", { class: "live-card-title" }, title), ...children);
  }

  // The pictures of a set as buttons; the chosen one is pressed. label(i) says what is in it.
  function gallery(words, pictures, label, value, onchoose) {
    const node = el("div", { class: "live-gallery", role: "group", "aria-label": words });
    const buttons = pictures.map((x, i) => {
      const small = paintPicture(el("canvas", { "aria-hidden": "true" }), x);
      return el("button", { type: "button", "aria-label": label(i), title: label(i), "aria-pressed": String(i === value), onclick: () => { node.set(i); onchoose(i); } }, small);
    });
    // The strip scrolls by itself if the chosen picture is not in sight.
    const show = (chosen) => {
      if (!chosen) return;
      const from = chosen.offsetLeft - node.scrollLeft, room = node.clientWidth - chosen.offsetWidth;
      if (from < 0 || from > room) node.scrollLeft = chosen.offsetLeft - room / 2;
    };
    node.set = (now) => {
      buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(i === now)));
      show(buttons[now]);
    };
    node.append(...buttons);
    const seen = new ResizeObserver(() => { // once it stands in the page and has a size
      if (!node.clientWidth) return;
      seen.disconnect();
      show(buttons.find((each) => each.getAttribute("aria-pressed") === "true"));
    });
    seen.observe(node);
    return node;
  }

  // A place on a canvas, chosen with a pointer or with the arrow keys. onmove({ x, y, paint }): paint while pressed.
  function placed(canvas, words, onmove) {
    const node = el("div", { class: "live-places", tabindex: 0, role: "application", "aria-label": words }, canvas);
    const cursor = el("span", { class: "live-cursor", "aria-hidden": "true" });
    node.append(cursor);
    let x = 0, y = 0, pressed = false;
    const go = (newX, newY, isPaint) => {
      x = Math.min(Math.max(newX, 0), canvas.width - 1);
      y = Math.min(Math.max(newY, 0), canvas.height - 1);
      node.mark(x, y);
      onmove({ x, y, paint: isPaint });
    };
    node.mark = (atX, atY) => {
      x = atX; y = atY;
      Object.assign(cursor.style, { left: `${100 * x / canvas.width}%`, top: `${100 * y / canvas.height}%`, width: `${100 / canvas.width}%`, height: `${100 / canvas.height}%` });
    };
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      go(Math.floor((event.clientX - box.left) / box.width * canvas.width), Math.floor((event.clientY - box.top) / box.height * canvas.height), true);
    };
    node.addEventListener("pointerdown", (event) => { pressed = true; node.setPointerCapture(event.pointerId); point(event); });
    node.addEventListener("pointermove", (event) => { if (pressed) point(event); });
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => { pressed = false; });
    node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0], Enter: [0, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      go(x + step[0], y + step[1], event.key === " " || event.key === "Enter");
    });
    return node;
  }

  // Run `work` once before the next frame, however often it is asked for.
  function oncePerFrame(work) {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; work(); });
    };
  }

  // Load a network by its name and use it, unless the reader has asked for another in the meantime.
  function latest(use) {
    let asked;
    return async (name) => {
      asked = name;
      const loaded = await live.network(name);
      if (name === asked) use(loaded);
    };
  }

  // Curves over one axis. node.draw({ x: [from, to], y: [from, to], log, ticks: { x, y }, labels: { x, y }, curves, at });
  // curves: [{ name, colour, f }]; `at` marks a value of x on each of them, with an arrow where the curve has left the
  // frame. Letters keep their size on every screen.
  function chart(words) {
    const node = el("div", { class: "live-chart", role: "img", "aria-label": words });
    const frame = newId();
    let last = null;
    node.draw = (spec) => {
      last = spec;
      const W = Math.max(node.clientWidth, 280), H = 230, edge = { left: 52, right: 14, top: 12, bottom: 44 };
      const scale = (v) => spec.log ? Math.log10(v) : v, [y0, y1] = spec.y.map(scale), [x0, x1] = spec.x;
      const X = (v) => edge.left + (v - x0) / (x1 - x0) * (W - edge.left - edge.right);
      const height = H - edge.top - edge.bottom, inside = (v) => Math.min(Math.max(scale(v), y0), y1);
      const at = (scaled) => H - edge.bottom - (scaled - y0) / (y1 - y0) * height;
      const Y = (v) => at(Math.min(Math.max(scale(v), y0 - (y1 - y0)), y1 + (y1 - y0))); // the rest is cut off
      const text = (x, y, anchor, content, more = "") => `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${content}</text>`;
      const steps = spec.steps || 120, dashes = ["", "7 4", "2 3"];
      const mark = (v, value, colour) => {
        const x = X(v), y = at(inside(value)), out = scale(value) - inside(value);
        if (!out) return `<circle cx="${x}" cy="${y}" r="5" fill="${colour}"/>`;
        const way = out > 0 ? -1 : 1; // up or down on the screen
        return `<path d="M${x - 6} ${y - 9 * way}L${x + 6} ${y - 9 * way}L${x} ${y}Z" fill="${colour}"/>`;
      };
      const curve = ({ colour, f }, i) => {
        const path = Array.from({ length: steps + 1 }, (_, k) => x0 + (x1 - x0) * k / steps).map((v, k) => `${k ? "L" : "M"}${X(v).toFixed(1)} ${Y(f(v)).toFixed(1)}`).join("");
        return `<path d="${path}" clip-path="url(#${frame})" fill="none" stroke="${colour}" stroke-width="2.5" stroke-dasharray="${dashes[i % 3]}"/>${spec.at === undefined ? "" : mark(spec.at, f(spec.at), colour)}`;
      };
      const grid = spec.ticks.y.map((v) => `<line x1="${edge.left}" x2="${W - edge.right}" y1="${Y(v)}" y2="${Y(v)}" class="live-grid"/>${text(edge.left - 6, Y(v) + 4, "end", minus(v))}`);
      const marks = spec.ticks.x.map((v) => text(X(v), H - edge.bottom + 18, "middle", minus(v)));
      const here = spec.at === undefined ? "" : `<line x1="${X(spec.at)}" x2="${X(spec.at)}" y1="${edge.top}" y2="${H - edge.bottom}" class="live-here"/>`;
      node.innerHTML = `<svg width="${W}" height="${H}" aria-hidden="true"><clipPath id="${frame}"><rect x="${edge.left}" y="${edge.top - 2}" width="${W - edge.left - edge.right}" height="${height + 4}"/></clipPath>${grid.join("")}${marks.join("")}${here}${spec.curves.map(curve).join("")}${text((edge.left + W - edge.right) / 2, H - 6, "middle", spec.labels.x)}${text(14, edge.top + (H - edge.top - edge.bottom) / 2, "middle", spec.labels.y, `transform="rotate(-90 14 ${edge.top + (H - edge.top - edge.bottom) / 2})"`)}</svg>`;
      const legend = el("div", { class: "live-legend" }, ...spec.curves.map(({ name, colour }, i) => {
        const item = el("span"), key = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        key.innerHTML = `<line x1="0" x2="30" y1="6" y2="6" stroke="${colour}" stroke-width="3" stroke-dasharray="${dashes[i % 3]}"/>`;
        key.setAttribute("width", 30); key.setAttribute("height", 12); key.setAttribute("aria-hidden", "true");
        item.append(key, ` ${name}`);
        return item;
      }));
      node.prepend(legend);
    };
    new ResizeObserver(() => { if (last) node.draw(last); }).observe(node);
    return node;
  }

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // The pictures of an exported set as maps of three channels, 0 to 255.
  function unpack(set, key = "images") {
    const all = bytes(set[key]), P = set.size * set.size, C = key === "images" ? 3 : 1;
    return Array.from({ length: all.length / (C * P) }, (_, i) => live.map(C, set.size, set.size, Float32Array.from(all.subarray(i * C * P, (i + 1) * C * P))));
  }

  live.parts = {
    COLOURS, answers, best, button, card, chart, choice, colourBar, colourOf, decimal, el, gallery, latest, newId, oncePerFrame, overChannels, paint, paintMap, paintPicture, percent, picture, placed, select, slider, unpack,
  };
})((globalThis.live = globalThis.live || {}));
