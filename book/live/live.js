/* Live figures: the loader. A page embeds a figure in four lines of Markdown; what stands inside is the still, which
 * stays where there is no JavaScript, in print, in a notebook, and until the figure is ready.
 *
 *   <div class="live" data-figure="iou">
 *
 *   ![What the still shows](../book/_static/live/iou.png)
 *
 *   </div>
 *   <script defer src="../_static/live/live.js"></script>
 *
 * data-figure names a file of figures/: cue, bench, tour, iou, masks, field, fusion, backward, path, depth. Stills lie
 * in book/_static/live (tools/live_stills.py takes them). Further data attributes are the figure's own; each file says
 * which it has. Once a figure is there, its place has data-ready="yes". Nothing is fetched but scripts
 * that lie beside this one, and those only when a figure comes near the screen: pages work from a server and a disk.
 */
(function (live) {
  "use strict";

  if (live.load) return; // a page with several figures names this script several times
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const arrived = {}, loading = {}, starts = {};

  // The scripts of networks and pictures call this; figures wait for it in live.get.
  live.arrive = (key, object) => { arrived[key] = object; };

  live.load = (path) => loading[path] = loading[path] || new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = base + path;
    script.onload = done;
    script.onerror = () => failed(new Error(`${path} did not load`));
    document.head.append(script);
  });

  live.get = (key) => live.load(key + ".js").then(() => arrived[key]);

  const networks = {}, computing = () => live.load("operations.js").then(() => live.load("network.js"));
  live.network = async (name) => {
    const [exported] = await Promise.all([live.get("networks/" + name), computing()]);
    return networks[name] = networks[name] || new live.Network(exported);
  };

  // A file of figures/ registers one function: it fills `host` with the figure, from data attributes in `options`.
  live.figure = (name, start) => { starts[name] = start; };

  async function begin(place) {
    const name = place.dataset.figure, host = document.createElement("div");
    host.className = "live-figure";
    try {
      await Promise.all([live.load("parts.js"), computing()]);
      await live.load(`figures/${name}.js`);
      await starts[name](host, place.dataset);
      const still = place.querySelector("img"); // its caption and its number stay
      if (still) (still.closest("a") || still).replaceWith(host);
      else place.replaceChildren(host);
      place.dataset.ready = "yes";
    } catch (error) {
      place.dataset.ready = "failed";
      console.error(`live figure ${name}:`, error);
    }
  }

  function watch() {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = base + "live.css";
    document.head.append(style);
    const observer = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      observer.unobserve(entry.target);
      begin(entry.target);
    }), { rootMargin: "400px" });
    document.querySelectorAll(".live[data-figure]").forEach((place) => observer.observe(place));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", watch);
  else watch();
})((globalThis.live = globalThis.live || {}));
