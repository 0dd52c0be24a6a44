/* The workbench: a picture, what every module does with it, and the answer, beside the answer without what was forced.
 *
 *   data-networks           names of the zoo, separated by spaces (default: the Scenes networks and CIFAR-10's)
 *   data-network, data-picture, data-module, data-force  what is shown at first; data-force is a number, mean or other
 */
live.figure("bench", async function (host, options) {
  "use strict";
  const { answers, best, button, card, choice, colourBar, decimal, el, gallery, latest, oncePerFrame, overChannels, paintMap, paintPicture, percent, picture, placed, select, slider, unpack } = live.parts;
  const TITLES = { attention56_scenes: "ARL", attention56_scenes_nal: "NAL", attention56_scenes_trunk: "no masks", attention56_cifar10: "ARL, CIFAR-10" };
  const names = (options.networks || Object.keys(TITLES).join(" ")).split(" ");
  const set = await live.get("pictures/scenes"), pictures = unpack(set), size = set.size, P = size * size;
  const label = (i) => `Scene ${i + 1}, ${set.classes[set.labels[i]]}`;
  const start = options.network || names[0];
  const state = { network: await live.network(start), index: Number(options.picture || 0), view: "mask", wish: "mask", scale: "fixed", channel: -1, forced: {}, donor: 1, tool: "hide", width: 4, place: null };
  state.pixels = copy(pictures[state.index]);
  state.original = copy(state.pixels);

  function copy(x) { return live.map(x.C, x.H, x.W, Float32Array.from(x.data)); }

  // The picture, with a brush.
  const canvas = picture("Your picture");
  const brush = placed(canvas, "Your picture. Arrow keys move the brush, space paints.", ({ x, y, paint }) => { if (paint) stroke(x, y); });
  brush.classList.add("live-brush");
  function stroke(x, y) {
    const colours = { hide: state.network.mean.map((m) => 255 * m), white: [250, 250, 250], black: [20, 20, 20], red: [216, 52, 50], yellow: [240, 200, 60], green: [60, 140, 70], blue: [48, 98, 194] };
    const half = state.width / 2;
    for (let v = Math.ceil(y - half); v < y + half; v++) for (let u = Math.ceil(x - half); u < x + half; u++) {
      if (v < 0 || u < 0 || v >= size || u >= size) continue;
      for (let c = 0; c < 3; c++) {
        const at = c * P + v * size + u;
        state.pixels.data[at] = state.tool === "restore" ? state.original.data[at] : colours[state.tool][c];
      }
    }
    state.place = null;
    update();
  }
  const swatch = (colour, words) => el("span", { style: "display: contents" }, el("i", { class: "live-swatch", style: `background: ${colour}` }), words);
  const tools = choice("Brush", [["hide", "erase"], ["restore", "bring back"], ["red", swatch("#d83432", "red")], ["yellow", swatch("#f0c83c", "yellow")], ["green", swatch("#3c8c46", "green")], ["blue", swatch("#3062c2", "blue")], ["white", swatch("#fafafa", "white")], ["black", swatch("#141414", "black")]], state.tool, (tool) => { state.tool = tool; });
  const width = slider("Brush width", { min: 1, max: 10, value: state.width, words: (v) => `${v} pixel${v > 1 ? "s" : ""}` }, (v) => { state.width = v; });

  // Where pictures come from: the gallery, or a photo of the reader's, which never leaves the page.
  function use(pixels) { state.original = copy(pixels); state.pixels = copy(pixels); state.place = null; update(); }
  const scenes = gallery("Scenes", pictures, label, state.index, (i) => { state.index = i; use(pictures[i]); });
  const file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => { if (file.files[0]) photo(file.files[0]); file.value = ""; } });
  async function photo(source) {
    const image = new Image(), address = URL.createObjectURL(source);
    image.src = address;
    try { await image.decode(); } catch { URL.revokeObjectURL(address); status.textContent = `${source.name} is not a picture that this browser can read.`; return; }
    const side = Math.min(image.naturalWidth, image.naturalHeight), small = el("canvas", { width: size, height: size }), context = small.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, (image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2, side, side, 0, 0, size, size);
    URL.revokeObjectURL(address);
    const seen = context.getImageData(0, 0, size, size).data, pixels = live.map(3, size, size);
    for (let p = 0; p < P; p++) for (let c = 0; c < 3; c++) pixels.data[c * P + p] = seen[4 * p + c];
    state.index = -1;
    scenes.set(-1);
    use(pixels);
  }
  for (const kind of ["dragover", "drop"]) host.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop" && event.dataTransfer.files[0]) photo(event.dataTransfer.files[0]);
  });

  const status = el("p", { class: "live-finding", role: "status" });
  let result = el("div");
  const network = choice("Network", names.map((name) => [name, TITLES[name] || name]), start, latest((loaded) => {
    state.network = loaded;
    state.place = null;
    build();
    update();
  }));
  const view = choice("Show", [["mask", "mask M"], ["product", "what passes"], ["trunk", "before the mask, |T|"]], state.view, (value) => { state.view = state.wish = value; redraw(); });
  const scale = choice("Colours", [["fixed", "one scale for all"], ["own", "from the least to the most of each map"]], state.scale, (value) => { state.scale = value; draw(); });
  const channel = slider("Channel", { min: 0, max: 32, value: 0, words: (v) => v === 0 ? "mean" : `${v}` }, (v) => { state.channel = v - 1; redraw(); });
  const bar = colourBar("mask", "");
  const rows = el("div", { class: "live-cards" });
  const donor = select("Another picture is", pictures.map((_, i) => [String(i), label(i)]), String(state.donor), (i) => { state.donor = Number(i); state.place = null; update(); });
  let cards = [], now, free, donated;

  // One card a module: its map, and what to force.
  function build() {
    const { config, classes } = state.network;
    result.replaceWith(result = answers(classes));
    const modules = config.modules.flatMap((count, stage) => Array.from({ length: count }, (_, i) => [`stage${stage + 1}.attention${i + 1}`, `Stage ${stage + 1}`]));
    state.modules = modules.map(([name]) => name);
    const forced = config.fusion === "none" ? {} : state.forced;
    cards = modules.map(([name, title]) => {
      const map = picture(`${title}`), places = placed(map, `${title}. Arrow keys choose a place, space asks what it listens to.`, ({ x, y, paint }) => { if (paint) listen(name, x, y); });
      const force = select("Its mask is", [["free", "its own"], ["0", "0"], ["0.5", "½"], ["1", "1"], ["mean", "its mean"], ["other", "another's"]], forced[name] === undefined ? "free" : String(forced[name]), (value) => {
        if (value === "free") delete state.forced[name];
        else state.forced[name] = ["mean", "other"].includes(value) ? value : Number(value);
        state.place = null;
        update();
      });
      if (config.fusion === "none") force.querySelector("select").disabled = true;
      const range = el("span", { class: "live-note" });
      return { name, title, map, places, range, node: card(title, places, range, force) };
    });
    rows.replaceChildren(...cards.map(({ node }) => node));
    view.querySelector('input[value="mask"]').disabled = config.fusion === "none";
    view.set(state.view = config.fusion === "none" && state.wish === "mask" ? "trunk" : state.wish);
    state.channel = -1;
    channel.set(0, { max: Math.max(...state.network.run(state.pixels).modules.map((m) => m.trunk.C)) });
  }

  function compute() {
    free = state.network.run(state.pixels);
    const wanted = Object.entries(state.forced).filter(() => state.network.config.fusion !== "none");
    if (wanted.some(([, by]) => by === "other")) donated = state.network.run(pictures[state.donor]);
    const forced = Object.fromEntries(wanted.map(([name, by]) => [name, by === "other" ? donated.modules.find((m) => m.name === name).mask : by]));
    state.wanted = wanted;
    state.replaced = forced;
    counted.textContent = "";
    now = wanted.length ? state.network.run(state.pixels, forced) : free;
    const before = live.softmax(free.logits), after = live.softmax(now.logits), { classes } = state.network;
    const a = best(before), b = best(after), said = (i, shares) => `${classes[i]} (${percent(shares[i])})`;
    result.set(wanted.length ? "Answer now; the mark is the answer with every mask its own" : "Answer", after, wanted.length ? before : null);
    const words = { 0: "set to 0 everywhere", 0.5: "set to ½ everywhere", 1: "set to 1 everywhere", mean: "set to its mean over places", other: `replaced by that of ${label(state.donor)}` };
    const what = wanted.map(([name, by]) => `the mask of ${name.split(".")[0].replace("stage", "stage ")} ${words[by]}`).join(" and ");
    status.textContent = !wanted.length ? `The network says ${said(a, before)}.`
      : `With ${what}, the network says ${said(b, after)}; with its own, ${said(a, before)}.`;
  }

  // The same replacement in every Scene of the gallery: one picture is an example, twenty are a count.
  const counted = el("p", { class: "live-note", role: "status" });
  let counting = 0;
  async function countAll() {
    const { wanted, network, donor } = state, words = wanted.length ? "answers that change with what is replaced" : "answers that are right";
    const masks = wanted.some(([, by]) => by === "other") ? network.run(pictures[donor]).modules : [];
    const forced = Object.fromEntries(wanted.map(([name, by]) => [name, by === "other" ? masks.find((m) => m.name === name).mask : by]));
    const mine = ++counting;
    let changed = 0;
    if (!wanted.length && String(network.classes) !== String(set.classes)) {
      counted.textContent = "This network has other classes than Scenes, so no answer of it is right or wrong here.";
      return;
    }
    for (let i = 0; i < pictures.length; i++) {
      const own = best(live.softmax(network.run(pictures[i]).logits));
      if (wanted.length) changed += own !== best(live.softmax(network.run(pictures[i], forced).logits));
      else changed += network.classes[own] === set.classes[set.labels[i]];
      counted.textContent = `${changed} of ${i + 1} ${words}`;
      await new Promise((done) => setTimeout(done));
      if (mine !== counting || wanted !== state.wanted || network !== state.network) return;
    }
    counted.textContent = `All ${pictures.length} Scenes: ${changed} ${words}.`;
  }

  const sum = (x, f) => overChannels(x, Math.min(state.channel, x.C - 1), f);
  function draw() {
    const M = state.view === "mask", maps = now.modules.map((m) => M ? sum(m.mask) : sum(state.view === "trunk" ? m.trunk : m.product, Math.abs));
    const most = now.modules.map((m) => Math.max(...sum(m.trunk, Math.abs), ...sum(m.product, Math.abs)));
    cards.forEach(({ map, title, places, range }, i) => {
      const { H, W } = now.modules[i].trunk;
      const peak = best(Array.from(maps[i])), least = Math.min(...maps[i]), own = state.scale === "own";
      paintMap(map, maps[i], H, W, M ? "mask" : "features", own ? least : 0, own ? maps[i][peak] : M ? 1 : most[i]);
      const c = Math.min(state.channel, now.modules[i].trunk.C - 1);
      range.textContent = `${decimal(least)} to ${decimal(maps[i][peak])}${c < 0 ? "" : `, channel ${c + 1}`}`;
      const words = `${title}, ${{ mask: "mask", trunk: "trunk output", product: "what passes" }[state.view]}: from ${decimal(least)} to ${decimal(maps[i][peak])}, highest in row ${1 + Math.floor(peak / W)} of ${H}, column ${1 + peak % W}`;
      map.setAttribute("aria-label", words);
      map.title = words;
      if (state.place && state.place.name === state.modules[i]) places.mark(state.place.x, state.place.y);
      else places.lastChild.removeAttribute("style");
    });
    const arl = state.network.config.fusion === "arl";
    if (M) bar.set("mask", arl ? "M: how much M raises T here, from not at all to double" : "M: how much of T it lets through here", ...(state.scale === "own" ? ["least", "most"] : ["0", "1"]));
    else bar.set("features", { trunk: "|T|", product: arl ? "(1 + M) · |T|: what passes" : "M · |T|: what passes" }[state.view] + ", each stage on a scale of its own", state.scale === "own" ? "least" : "0", "most");
  }

  // What does this place of a mask listen to? Hide the picture patch by patch and see how much the mask changes there.
  const HOW = "Press on a place of a map: the picture is then hidden patch by patch, and you see which patches that place listens to.";
  let listening = 0;
  const heard = picture("What the chosen place listens to"), heardBox = el("div", { class: "live-main", hidden: true }, heard), heardWords = el("p", { class: "live-note" }, HOW);
  const heardBar = colourBar("change", "change of the map at the chosen place when a patch is hidden", "−", "+");
  heardBar.hidden = true;
  async function listen(name, x, y) {
    const mine = ++listening, cells = 8, side = size / cells, changes = new Float32Array(cells * cells);
    state.place = { name, x, y };
    heardBox.hidden = heardBar.hidden = false;
    draw();
    const index = state.modules.indexOf(name), { network, replaced } = state, { mean } = network;
    if (state.view === "mask" && name in replaced) {
      heardBox.hidden = heardBar.hidden = true;
      heardWords.textContent = replaced[name] === "mean" ? "This mask is set to its mean, so no place of it listens to a part of the picture." : "This mask is set from outside: it listens to nothing here.";
      return;
    }
    const value = (module) => {
      const source = state.view === "mask" ? module.mask : state.view === "trunk" ? module.trunk : module.product, at = y * source.W + x;
      const channels = state.channel < 0 ? Array.from({ length: source.C }, (_, c) => c) : [Math.min(state.channel, source.C - 1)];
      return channels.reduce((total, c) => total + Math.abs(source.data[c * source.H * source.W + at]), 0) / channels.length;
    };
    const own = value(network.run(state.pixels, replaced, name).modules[index]);
    for (let cell = 0; cell < cells * cells; cell++) {
      const hidden = copy(state.pixels), top = side * Math.floor(cell / cells), left = side * (cell % cells);
      for (let c = 0; c < 3; c++) for (let v = top; v < top + side; v++) for (let u = left; u < left + side; u++) hidden.data[c * P + v * size + u] = 255 * mean[c];
      changes[cell] = value(network.run(hidden, replaced, name).modules[index]) - own;
      if (cell % 4 === 3) {
        const most = Math.max(...changes.map(Math.abs), 1e-6);
        paintMap(heard, changes, cells, cells, "change", -most, most);
        heardBar.set("change", `change of ${cards[index].title.toLowerCase()} at row ${y + 1}, column ${x + 1} when this patch is hidden`, `−${most.toPrecision(2)}`, `+${most.toPrecision(2)}`);
        heardWords.textContent = `${cell + 1} of ${cells * cells} patches. The place has the value ${decimal(own)}.`;
        await new Promise((done) => setTimeout(done));
        if (mine !== listening || !state.place) return;
      }
    }
  }

  function forget() {
    listening++;
    heardBox.hidden = heardBar.hidden = true;
    heardWords.textContent = HOW;
  }
  const update = oncePerFrame(() => {
    paintPicture(canvas, state.pixels);
    if (!state.place) forget();
    compute();
    draw();
  });
  // Other colours or another channel of what has been computed.
  const redraw = oncePerFrame(() => { state.place = null; forget(); draw(); });

  const force = options.force || "mean";
  state.forced[options.module || "stage1.attention1"] = ["mean", "other"].includes(force) ? force : Number(force);
  host.append(
    el("div", { class: "live-title" }, "Your picture through the network"),
    status,
    el("div", { class: "live-row" },
      el("div", { class: "live-main" }, brush),
      el("div", { class: "live-grow" }, result)),
    network, rows, bar,
    el("div", { class: "live-row" }, heardBox, el("div", { class: "live-grow" }, heardWords, heardBar)),
    el("div", { class: "live-row" }, button(`Count over all ${pictures.length} Scenes`, countAll), counted),
    scenes,
    el("div", { class: "live-row" }, button("A photo of yours …", () => file.click()), button("Start over", () => { state.forced = {}; use(state.original); build(); }), file),
    el("p", { class: "live-note" }, "A photo is cut to its middle square and scaled to 32 × 32 pixels. It stays in this page."),
    tools, width, view, channel,
    el("div", { class: "live-row" }, donor, el("div", { class: "live-grow" }, scale)),
  );
  build();
  update();
});
