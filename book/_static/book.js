// What the pages of the book do beyond Sphinx: search order, figures that can be enlarged, names and keys for controls.

// Sphinx gives every page with a word of the question in any heading the same score. Words in a page's own title count
// more, and a word counts with its ending off: "gradients" finds "gradient".
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([name, title, anchor, description, score]) => {
    const words = (new URLSearchParams(location.search).get("q") ?? "").toLowerCase().match(/[a-z0-9]{3,}/g) ?? [];
    const own = title.toLowerCase().match(/[a-z0-9]+/g) ?? [];
    const found = words.filter((word) => own.some((other) => other.startsWith(word.replace(/(es|s)$/, ""))));
    return score + (words.length ? Math.round((20 * found.length) / words.length) : 0);
  },
};

// Excerpts are fetched page by page, which a browser refuses where the book is opened from disk.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

document.addEventListener("DOMContentLoaded", () => {
  // A click on a figure shows it as large as the window allows; on a phone wider than the window, to be moved about.
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.append(Object.assign(document.createElement("button"), { type: "button", textContent: "Close" }));
  document.body.append(dialog);
  dialog.addEventListener("click", () => dialog.close());
  document.querySelectorAll("a.enlarge").forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    dialog.querySelector("img")?.remove();
    dialog.append(link.querySelector("img").cloneNode());
    dialog.setAttribute("aria-label", link.querySelector("img").alt);
    dialog.showModal();
  }));

  // A box that scrolls sideways can be scrolled by the keys.
  const reachable = () => document.querySelectorAll("article div.math, article pre, .output, .table-scroll").forEach((box) => {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  // A formula that is wider than the page is set smaller, down to seven tenths. What is still wider scrolls.
  const fit = () => document.querySelectorAll("article div.math").forEach((box) => {
    const formula = box.querySelector("mjx-container");
    if (!formula || !box.clientWidth) return;
    box.style.fontSize = "";
    const room = Math.min(box.clientWidth / box.scrollWidth, formula.clientWidth / formula.scrollWidth);
    if (room < 1) box.style.fontSize = `${Math.max(99 * room, 70)}%`;
  });
  // So is one inside a line, of which the theme would cut off what is wider. (Its hidden speech has a width too.)
  const fitInLine = () => document.querySelectorAll("article span.math").forEach((span) => {
    const formula = span.querySelector("mjx-container");
    let box = span.parentElement;
    while (box && getComputedStyle(box).display.startsWith("inline")) box = box.parentElement;
    if (!formula || !box || !box.clientWidth || box.matches("td, th")) return;
    span.style.fontSize = "";
    const style = getComputedStyle(box), room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const share = room / formula.getBoundingClientRect().width;
    if (share < 1) span.style.fontSize = `${Math.max(97 * share, 70)}%`;
  });
  const arrange = () => { fit(); fitInLine(); reachable(); };
  Promise.resolve(window.MathJax?.startup?.promise).then(arrange);
  addEventListener("resize", arrange);
  document.addEventListener("toggle", arrange, true);  // what was folded had no width
});

// Whatever is folded is printed.
addEventListener("beforeprint", () => document.querySelectorAll("article details").forEach((box) => {
  if (!box.open) box.dataset.closed = "";
  box.open = true;
}));
addEventListener("afterprint", () => document.querySelectorAll("article details[data-closed]").forEach((box) => {
  box.open = false;
  delete box.dataset.closed;
}));
