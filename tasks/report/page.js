
"use strict";
// Fills the one dialog with what the page knows of a sample. Text is only ever set as text.
const told = JSON.parse(document.getElementById("told").textContent);
const dialog = document.getElementById("lineage");
const body = document.getElementById("lineage-body");

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

function row(name, value) {
  const head = element("th", name);
  head.scope = "row";
  return element("tr", head, element("td", value));
}

function parameters(params) {
  const entries = Object.entries(params ?? {});
  if (typeof params !== "object" || !entries.length) return shown(params && entries.length ? params : "");
  return element("ul", ...entries.map(([name, value]) => element("li", `${name}: ${shown(value)}`)));
}

function table(...rows) {
  return element("table", element("tbody", ...rows));
}

document.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
  const button = event.target.closest("button[data-id]");
  if (!button) return;
  const sample = told[button.dataset.id];
  document.getElementById("lineage-title").textContent = sample.source.uri ?? sample.id;
  const facts = [row("id", sample.id)];
  if (sample.label !== null) facts.push(row("label", sample.label));
  facts.push(row("split", sample.split));
  if (sample.copy) facts.push(row("copy", String(sample.copy)));
  if (sample.size[0]) facts.push(row("size", `${sample.size[0]} × ${sample.size[1]} px`));
  for (const [name, value] of Object.entries(sample.measures)) facts.push(row(name, shown(value)));
  for (const one of sample.objects) facts.push(row(`box: ${one.category ?? "?"}`, shown(one.bbox)));
  if (sample.source.bytes != null) facts.push(row("source", `${sample.source.bytes} bytes, frame ${sample.source.frame}`));
  if (sample.source.sha256) facts.push(row("SHA-256", sample.source.sha256));
  const steps = sample.lineage.map((step) => row(step.step === step.operation ? step.step : `${step.step} (${step.operation})`, parameters(step.params)));
  const picture = button.querySelector("img");
  body.replaceChildren(
    ...(picture ? [picture.cloneNode()] : []),
    table(...facts),
    element("h3", "Steps that touched its pixels"),
    steps.length ? table(...steps) : element("p", "none: the pixels are the source's"),
  );
  dialog.showModal();
});

// The map: the dot under the pointer, or the one that the arrow keys reach, shows its image and what it is.
const map = document.getElementById("dots");
if (map) {
  const { atlas, across, tile, dots } = JSON.parse(document.getElementById("mapped").textContent);
  const circles = [...map.querySelectorAll("circle")];
  const order = circles.map((_, i) => i).sort((a, b) => circles[a].cx.baseVal.value - circles[b].cx.baseVal.value);
  const card = document.getElementById("dot");
  const canvas = card.querySelector("canvas");
  const pictures = new Image();
  if (atlas) pictures.src = atlas;
  let at = -1;

  function show(i) {
    if (at >= 0) circles[at].classList.remove("on");
    at = i;
    card.hidden = i < 0;
    if (i < 0) return;
    const [name, group, split, place] = dots[i];
    circles[i].classList.add("on");
    card.querySelector("strong").textContent = name;
    card.querySelector("span").textContent = group === split ? split : `${group} · ${split}`;
    canvas.hidden = place < 0;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (place >= 0) {
      const [x, y] = [(place % across) * tile, Math.floor(place / across) * tile];
      context.drawImage(pictures, x, y, tile, tile, 0, 0, canvas.width, canvas.height);
    }
    const box = circles[i].getBoundingClientRect();
    const whole = map.getBoundingClientRect();
    const [left, top] = [box.left - whole.left, box.top - whole.top];
    card.style.left = `${left > whole.width / 2 ? left - card.offsetWidth - 12 : left + 20}px`;
    card.style.top = `${Math.max(0, Math.min(top - 20, whole.height - card.offsetHeight))}px`;
  }

  map.addEventListener("pointerover", (event) => {
    if (event.target.dataset.dot !== undefined) show(Number(event.target.dataset.dot));
  });
  map.addEventListener("pointerleave", () => show(-1));
  map.addEventListener("blur", () => show(-1));
  map.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(-1);
    if (by === undefined) return;
    event.preventDefault();
    const next = order.indexOf(at) + by;
    show(order[at < 0 ? 0 : Math.max(0, Math.min(next, order.length - 1))]);
  });
}
