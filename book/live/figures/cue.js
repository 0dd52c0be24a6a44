/* A Cued Scene: two objects in one picture, and a frame whose colour says which of them counts. Red and blue side by
 * side, and a third picture in which the masks of one module come from the other cue.
 *
 *   data-networks (default "cued_arl cued_nal"), data-pictures (default cued), data-picture, data-module (default: the
 *   module whose swap changes most answers)
 */
live.figure("cue", async function (host, options) {
  "use strict";
  const { best, button, card, choice, colourBar, el, gallery, latest, oncePerFrame, overChannels, paintMap, paintPicture, percent, picture, select, slider, unpack } = live.parts;
  const names = (options.networks || "cued_arl cued_nal").split(" ");
  const set = await live.get(`pictures/${options.pictures || "cued"}`), { classes, pairs, colours } = set;
  const left = unpack(set), both = left.map((x) => [0, 1].map((cue) => framed(x, cue)));
  const state = { index: Number(options.picture || 0), module: null, by: "other", cue: 0, channel: "moves" };
  const inWords = ["red", "blue"], sides = ["left", "right"];
  let network, modules;

  // The cue is the frame: paint it in the colour of the cue, and leave everything else as it is.
  function framed(x, cue) {
    const out = live.map(3, x.H, x.W, Float32Array.from(x.data)), edge = set.frame;
    for (let c = 0; c < 3; c++) for (let v = 0; v < x.H; v++) for (let u = 0; u < x.W; u++) {
      if (v < edge || u < edge || v >= x.H - edge || u >= x.W - edge) out.data[(c * x.H + v) * x.W + u] = colours[cue][c];
    }
    return out;
  }

  function mirrored(mask) {
    const { C, H, W, data } = mask;
    return live.map(C, H, W, data.map((_, i) => data[i - i % W + W - 1 - i % W]));
  }

  // What stands for the masks of the chosen module(s) in picture `i` under `cue`.
  function replacements(pair, cue) {
    const chosen = state.module === "all" ? modules : [state.module];
    return Object.fromEntries(chosen.map((name) => {
      const [own, other] = [pair[cue], pair[1 - cue]].map((run) => run.modules.find((m) => m.name === name).mask);
      return [name, { other, mirror: mirrored(own), mean: "mean", zero: 0, one: 1 }[state.by]];
    }));
  }
  const pairOf = (i) => both[i].map((x) => network.run(x));
  const swapped = (i, pair, cue) => network.run(both[i][cue], replacements(pair, cue));
  const said = (run) => best(live.softmax(run.logits));

  // Count over all pictures and both cues, a few at a time: how many answers name the cued object, how many the other.
  const counted = el("p", { role: "status" }, "Counting over all pictures …");
  let counting = 0;
  async function count() {
    const mine = ++counting, own = [0, 0], forced = [0, 0];
    counted.setAttribute("aria-busy", "true");
    for (let i = 0; i < both.length; i++) {
      const pair = pairOf(i);
      for (const cue of [0, 1]) {
        const [counts, other] = [pairs[i][cue], pairs[i][1 - cue]], a = said(pair[cue]), b = said(swapped(i, pair, cue));
        own[0] += a === counts; own[1] += a === other;
        forced[0] += b === counts; forced[1] += b === other;
      }
      await new Promise((done) => setTimeout(done));
      if (mine !== counting) return;
    }
    const n = 2 * both.length;
    counted.textContent = `All ${both.length} pictures under both cues, ${n} answers. As it is, ${own[0]} name the object that the frame names and ${own[1]} the other one. ${capital(describe())}, ${forced[0]} name the object that the frame names and ${forced[1]} the other one.`;
    counted.setAttribute("aria-busy", "false");
  }
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const stage = (name) => name === "all" ? "all modules" : name.split(".")[0].replace("stage", "stage ");
  const BY = { other: "of the other cue", mirror: "mirrored left for right", mean: "averaged over places", zero: "set to 0 everywhere", one: "set to 1 everywhere" };
  const describe = () => `with the mask${state.module === "all" ? "s" : ""} of ${stage(state.module)} ${BY[state.by]}`;

  const finding = el("p", { class: "live-finding", role: "status" });
  const views = [0, 1, 2].map(() => {
    const title = el("span"), x = picture(""), mask = picture(""), answer = el("p", { class: "live-answer" });
    return { title, x, mask, answer, node: card(title, x, mask, answer) };
  });
  const bar = colourBar("mask", "");
  const channel = slider("Channel of the mask", { min: 0, max: 1, value: 0, words: (v) => v === 0 ? "mean of all" : `channel ${v}` }, (v) => { state.channel = v - 1; update(); });
  const moving = button("The channel that the cue moves most", () => { state.channel = "moves"; update(); });

  function mostMoved([a, b]) {
    const P = a.H * a.W, change = new Float64Array(a.C);
    a.data.forEach((value, i) => { change[Math.floor(i / P)] += (value - b.data[i]) ** 2; });
    return best(Array.from(change));
  }

  function draw() {
    const pair = pairOf(state.index), { cue } = state, forced = swapped(state.index, pair, cue);
    const name = state.module === "all" ? modules[0] : state.module, find = (run) => run.modules.find((m) => m.name === name).mask;
    const masks = [find(pair[0]), find(pair[1]), find(forced)];
    const c = state.channel === "moves" ? mostMoved(masks) : Math.min(state.channel, masks[0].C - 1);
    channel.set(c + 1, { max: masks[0].C });
    moving.setAttribute("aria-pressed", String(state.channel === "moves"));
    const shown = [pair[0], pair[1], forced];
    const names = pairs[state.index].map((k) => classes[k]);
    views.forEach((view, i) => {
      const of = i < 2 ? i : cue, shares = live.softmax(shown[i].logits), first = best(shares), values = overChannels(masks[i], c);
      view.title.textContent = i < 2 ? `${capital(inWords[of])} frame: ${sides[of]} counts` : `${capital(inWords[of])} frame, mask ${BY[state.by]}`;
      paintPicture(view.x, both[state.index][of]);
      view.x.setAttribute("aria-label", `Left ${names[0]}, right ${names[1]}, ${inWords[of]} frame`);
      paintMap(view.mask, values, masks[i].H, masks[i].W, "mask", 0, 1);
      const W = masks[i].W, half = [0, 1].map((side) => { const part = values.filter((_, p) => (p % W < W / 2) === (side === 0)); return part.reduce((a, b) => a + b, 0) / part.length; });
      view.mask.setAttribute("aria-label", `Mask of ${stage(name)}: mean ${half[0].toFixed(2)} in the left half, ${half[1].toFixed(2)} in the right half`);
      view.answer.textContent = `says ${classes[first]} (${percent(shares[first])})`;
    });
    const residual = network.config.fusion === "arl";
    bar.set("mask", `mask of ${stage(name)}, ${c < 0 ? "mean over channels" : `channel ${c + 1}`}: how much ${residual ? "M raises T" : "of T passes"} here`, "0", "1");
    const [a, b, x] = shown.map((run) => classes[said(run)]);
    finding.textContent = `Red frame: ${a}. Blue frame: ${b}. The ${inWords[cue]} frame again, ${describe()}: ${x}${x === [b, a][cue] && x !== [a, b][cue] ? ", though the picture has not changed" : ""}.`;
  }
  const update = oncePerFrame(draw);

  // Which module carries the choice? The one whose swap moves the logits of the two objects most, over four pictures.
  function busiest() {
    const moved = modules.map((name) => {
      state.module = name;
      return [0, 1, 2, 3].reduce((sum, i) => {
        const pair = pairOf(i), run = swapped(i, pair, 0);
        return sum + pair[0].logits.reduce((total, z, k) => total + Math.abs(z - run.logits[k]), 0);
      }, 0);
    });
    return modules[best(moved)];
  }

  const which = el("div");
  const start = latest((loaded) => {
    counting++; // what is being counted was of the network before
    counted.setAttribute("aria-busy", "true");
    network = loaded;
    modules = network.run(both[0][0]).modules.map((m) => m.name);
    state.module = options.module || busiest();
    state.channel = "moves";
    which.replaceChildren(choice("Whose mask is replaced in the third picture", [...modules.map((m) => [m, stage(m)]), ["all", "all"]], state.module, (m) => { state.module = m; update(); count(); }));
    draw();
    setTimeout(count, 300);
  });

  host.append(
    el("div", { class: "live-title" }, "Two objects, one cue, and the mask that carries it"),
    finding,
    el("div", { class: "live-cards live-aligned", style: "--rows: 4" }, ...views.map(({ node }) => node)),
    bar,
    counted,
    gallery("Cued Scenes", left, (i) => `Picture ${i + 1}, ${classes[pairs[i][0]]} and ${classes[pairs[i][1]]}`, state.index, (i) => { state.index = i; update(); }),
    el("div", { class: "live-row" },
      button("Flip the cue of the third picture", () => { state.cue = 1 - state.cue; update(); }),
      moving),
    which,
    select("It is replaced by", [["other", "the mask under the other cue"], ["mirror", "its own, mirrored left for right"], ["mean", "its own, averaged over places"], ["zero", "0 everywhere"], ["one", "1 everywhere"]], state.by, (by) => { state.by = by; update(); count(); }),
    channel,
    ...names.length > 1 ? [choice("Network", names.map((name) => [name, /nal/.test(name) ? "NAL" : "ARL"]), names[0], start)] : [],
  );
  await start(names[0]);
});
