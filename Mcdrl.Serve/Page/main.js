// The page: what a person asks for, and what is shown of it.

import { explained, forget, pictureOf, segmented, truthOf } from "./answers.js";
import { merged } from "./coco.js";
import { areaOf, dice, fieldsOf, outlinesOf, pathOf, withoutSmall } from "./fields.js";
import { filesOf, framesOf, pairTruth } from "./frames.js";
import { colour, decode, heat } from "./pictures.js";
import { model as askModel, post } from "./service.js";
import { draw, fit } from "./stage.js";

const element = (id) => document.getElementById(id);
const canvas = element("canvas"), viewer = element("viewer"), strip = element("strip");
const state = { model: null, frames: [], index: -1, threshold: null, condition: null, turn: 0, abort: null, shown: null };
const shows = (what) => element(`show-${what}`).checked;
const frame = () => state.frames[state.index];
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const regions = (count) => (count === 1 ? "one region" : `${count} regions`);

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const say = (text) => { element("status").textContent = text; };
const complain = (text) => { element("problem").textContent = text; };

function refuse(problem) {
  if (problem.name === "AbortError") return;
  say("");
  complain(problem.message);
}

// What is marked where each class's field is positive, without regions too small to be marked.
function marked(answer) {
  const { report, maps } = answer;
  const least = report.min_area / (report.width * report.height);
  return fieldsOf(maps, state.threshold).map((field) => withoutSmall(outlinesOf(field), least));
}

const coversOf = (outlines) => outlines.reduce((sum, outline) => sum + areaOf(outline), 0);
const countOf = (outlines) => outlines.filter((outline) => areaOf(outline) > 0).length;

// Everything that the frame's picture is shown with; recomputed whenever a setting changes, which takes a few milliseconds.
async function layersOf(picture, answer, explanation, truth) {
  const byClass = marked(answer);
  const condition = state.condition && explanation ? await explanation.underCondition(state.condition) : null;
  const outlines = condition
    ? [{ outlines: condition, colour: state.model.colours[0] }]
    : byClass.map((own, index) => ({ outlines: own, colour: state.model.colours[index] }));
  const heats = [], legends = [];
  if (shows("probability")) {
    const [, side] = answer.maps.shape;
    heats.push(heat("probability", side, side, (pixel) => 1 - answer.maps.values[pixel]));
    legends.push(["probability", "Probability 0", "1"]);
  }
  if (shows("disagreement") && explanation) {
    const { white } = explanation.explanation.mutual_information, most = Math.log(2);
    const map = await explanation.disagreement();
    heats.push(heat("disagreement", map.width, map.height, (pixel) => Math.sqrt(map.values[pixel] / 255 * white / most)));
    legends.push(["disagreement", "Disagreement 0", "0.69 nats"]);
  }
  let cells = null;
  if (shows("regions") && explanation) {
    const map = await explanation.cells();
    cells = new OffscreenCanvas(map.width, map.height);
    const image = new ImageData(map.width, map.height);
    for (let pixel = 0; pixel < map.values.length; pixel++) image.data[pixel * 4 + 3] = map.values[pixel] > 127 ? 0 : 165;
    cells.getContext("2d").putImageData(image, 0, 0);
  }
  return { picture, heats, cells, legends, outlines, byClass, truth };
}

function paint() {
  const { shown } = state;
  if (!shown) return draw(canvas, { heats: [], outlines: [] });
  draw(canvas, {
    ...shown,
    outlines: shows("outline") ? shown.outlines.map(({ outlines, colour }) => ({ path: pathOf(outlines), colour })) : [],
    truth: shows("truth") && shown.truth ? pathOf(shown.truth.outlines) : null,
  });
}

function drawLegends(legends) {
  const box = element("legend");
  box.replaceChildren(...legends.map(([ramp, low, high]) => {
    const bar = make("canvas", { width: 150, height: 1 });
    const context = bar.getContext("2d");
    for (let x = 0; x < 150; x++) {
      context.fillStyle = `rgb(${colour(ramp, x / 149)})`;
      context.fillRect(x, 0, 1, 1);
    }
    return make("div", {}, make("span", { textContent: low }), bar, make("span", { textContent: high }));
  }));
  box.hidden = legends.length === 0;
}

// Says in words what is drawn, for the panel and for who can't see it.
function tell(answer, layers) {
  const told = state.model.classes.map((name, index) => {
    const outlines = state.condition ? layers.outlines[0].outlines : layers.byClass[index];
    return { name, share: coversOf(outlines), count: countOf(outlines), score: answer.report.classes[index].score, colour: state.model.colours[index] };
  });
  element("found").replaceChildren(...told.map(({ name, share, count, score, colour }) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = colour;
    return make("div", { className: "finding" }, swatch,
      make("span", { className: "name", textContent: name }),
      make("span", { textContent: count ? percent(share) : "nothing marked" }),
      make("span", { className: "detail", textContent: count ? `${regions(count)}, score ${score.toFixed(2)}` : `score ${score.toFixed(2)}` }));
  }));
  const words = told.map(({ name, share, count }) => (count ? `${name} ${percent(share)} of the frame, ${regions(count)}` : `no ${name} marked`)).join("; ");
  const seen = state.condition ? `, seen as under ${state.condition}` : "";
  const place = `Frame ${state.index + 1} of ${state.frames.length}, ${frame().name}`;
  canvas.setAttribute("aria-label", `${place}${seen}: ${words}`);
  const line = element("dice");
  line.hidden = !layers.truth;
  let score = "";
  if (layers.truth) {
    const value = dice(layers.outlines.flatMap(({ outlines }) => outlines), layers.truth.mask);
    line.replaceChildren("Dice with the truth ", make("b", { textContent: value.toFixed(3) }));
    score = `. Dice ${value.toFixed(3)}`;
  }
  say("");
  element("said").textContent = `${words}${seen}${score}`;
  const item = strip.children[state.index];
  const count = told.reduce((sum, { count }) => sum + count, 0);
  item.querySelector("span").textContent = count;
  item.setAttribute("aria-label", `${frame().name}, ${count} ${count === 1 ? "region" : "regions"}`);
}

function drawBars(answer) {
  const influences = answer.report.conditions, most = Math.max(1e-9, ...Object.values(influences));
  for (const label of element("condition-list").children) {
    const bar = label.querySelector("i");
    if (bar) bar.style.width = `${100 * (influences[label.dataset.condition] ?? 0) / most}%`;
  }
}

const needsExplanation = () => state.condition !== null || shows("disagreement") || shows("regions");

// Shows the frame as it is asked for now. Whatever is asked for meanwhile takes its place.
async function show() {
  const turn = ++state.turn, own = frame();
  const isStale = () => turn !== state.turn;
  if (!own) return;
  complain("");
  try {
    const picture = await pictureOf(own);
    if (isStale()) return;
    if (state.shown?.picture !== picture) {
      state.shown = { picture, heats: [], outlines: [], truth: null };
      paint();
    }
    if (!own.answers.has(`segment ${mode()}`)) say("Segmenting…");
    const answer = await segmented(own, mode(), state.abort.signal);
    if (isStale()) return;
    if (needsExplanation() && !own.answers.has(`explain ${mode()} ${state.threshold}`)) say("Asking under every condition…");
    const explanation = needsExplanation() ? await explained(own, mode(), state.threshold, state.abort.signal) : null;
    const truth = await truthOf(own);
    if (isStale()) return;
    const layers = await layersOf(picture, answer, explanation, truth);
    if (isStale()) return;
    state.shown = layers;
    paint();
    drawLegends(layers.legends);
    tell(answer, layers);
    drawBars(answer);
    lookAhead();
  } catch (problem) {
    if (!isStale()) refuse(problem);
  }
}

// The next frame is asked for before it is looked at.
function lookAhead() {
  const next = state.frames[state.index + 1];
  if (next) segmented(next, mode()).catch(() => {});
}

const mode = () => element("mode").value;

function renew() {
  state.abort?.abort();
  state.abort = new AbortController();
}

function step(index) {
  const target = Math.min(Math.max(index, 0), state.frames.length - 1);
  if (target < 0 || target === state.index) return;
  renew();
  strip.children[state.index]?.setAttribute("aria-selected", "false");
  state.index = target;
  const item = strip.children[target];
  item.setAttribute("aria-selected", "true");
  item.scrollIntoView({ block: "nearest", inline: "nearest" });
  strip.setAttribute("aria-activedescendant", item.id);
  element("place").textContent = `${target + 1} of ${state.frames.length} · ${frame().path}`;
  element("previous").disabled = target === 0;
  element("next").disabled = target === state.frames.length - 1;
  element("show-truth").disabled = !frame().truth;
  show();
}

// The service is asked again only where a person has come to rest, and no longer for what isn't wanted any more.
let resting = 0;
function settle() {
  if (!needsExplanation()) return;
  clearTimeout(resting);
  resting = setTimeout(() => {
    renew();
    show();
  }, 300);
}

const thumbnails = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    thumbnails.unobserve(target);
    decode(state.frames[Number(target.dataset.index)]?.file, { resizeWidth: 208, resizeQuality: "medium" }).then((bitmap) => {
      if (!bitmap) return;
      const small = target.querySelector("canvas");
      const place = fit(bitmap.width, bitmap.height, small.width, small.height);
      small.getContext("2d").drawImage(bitmap, place.x, place.y, place.width, place.height);
      bitmap.close();
    });
  }
}, { root: strip, rootMargin: "200px" });

function open(files) {
  const frames = framesOf(files);
  if (frames.length === 0) return complain("There is no image among these files. PNG, JPEG, WebP, BMP, GIF and TIFF are read.");
  state.frames.forEach(forget);
  Object.assign(state, { frames, index: -1, shown: null });
  strip.replaceChildren(...frames.map((own, index) => {
    const item = make("li", { id: `frame-${index}` }, make("canvas", { width: 208, height: 132 }), make("span", { ariaHidden: "true" }));
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.setAttribute("aria-label", own.name);
    item.dataset.index = index;
    item.addEventListener("click", () => step(index));
    return item;
  }));
  [...strip.children].forEach((item) => thumbnails.observe(item));
  strip.hidden = false;
  element("empty").hidden = true;
  for (const id of ["show", "decide", "take"]) element(id).disabled = false;
  element("conditions").disabled = !state.model?.explains;
  element("choose-truth").disabled = false;
  viewer.focus({ preventScroll: true });
  step(0);
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say(`${name} is saved.`);
}

const settings = (own, output) => ({ output, mode: mode(), threshold: state.threshold, name: own.name });

async function take(path, output, ending) {
  const own = frame();
  say("Asking for it…");
  try {
    const response = await post(path, own.file, settings(own, output));
    save(await response.blob(), own.name.replace(/\.[^.]+$/, "") + ending);
  } catch (problem) {
    refuse(problem);
  }
}

async function takeCoco() {
  const parts = [];
  try {
    for (const own of state.frames) {
      say(`Segmenting ${parts.length + 1} of ${state.frames.length}…`);
      const file = await (await post("segment", own.file, settings(own, "coco"))).json();
      parts.push({ name: own.path.replace(/^\//, ""), file });
    }
    save(new Blob([JSON.stringify(merged(parts))], { type: "application/json" }), "coco.json");
  } catch (problem) {
    refuse(problem);
  }
}

function setThreshold(value) {
  state.threshold = value;
  const words = value === null ? "model’s own" : value.toFixed(2);
  element("threshold-value").textContent = words;
  element("threshold").setAttribute("aria-valuetext", words);
  if (value === null) element("threshold").value = 50;
  element("threshold-own").disabled = value === null;
}

function choose(condition) {
  state.condition = condition;
  show();
}

function listConditions(conditions) {
  const choice = (value, words, ...more) => {
    const button = make("input", { type: "radio", name: "condition", value, checked: value === "" });
    button.addEventListener("change", () => choose(value || null));
    const label = make("label", {}, button, make("span", { textContent: words }), ...more);
    label.dataset.condition = value;
    return label;
  };
  const bar = () => make("span", { className: "bar", ariaHidden: "true" }, make("i", {}));
  element("condition-list").replaceChildren(choice("", "all of them, as the model answers"), ...conditions.map((name) => choice(name, name, bar())));
}

function stepCondition(by) {
  const choices = [...element("condition-list").querySelectorAll("input")];
  if (element("conditions").disabled) return;
  const at = choices.findIndex((choice) => choice.checked);
  const next = choices[Math.min(Math.max(at + by, 0), choices.length - 1)];
  next.checked = true;
  choose(next.value || null);
}

const moves = { ArrowLeft: () => step(state.index - 1), ArrowRight: () => step(state.index + 1), Home: () => step(0), End: () => step(state.frames.length - 1) };

function onKey(more) {
  return (event) => {
    const move = { ...moves, ...more }[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || state.frames.length === 0) return;
    event.preventDefault();
    move();
  };
}

const toggleOutline = () => element("show-outline").click();
viewer.addEventListener("keydown", onKey({ ArrowUp: () => stepCondition(-1), ArrowDown: () => stepCondition(1), o: toggleOutline, O: toggleOutline }));
strip.addEventListener("keydown", onKey({}));
element("previous").addEventListener("click", () => step(state.index - 1));
element("next").addEventListener("click", () => step(state.index + 1));
for (const what of ["probability", "disagreement", "regions"]) element(`show-${what}`).addEventListener("change", show);
for (const what of ["outline", "truth"]) element(`show-${what}`).addEventListener("change", paint);
element("threshold").addEventListener("input", (event) => {
  setThreshold(Number(event.target.value) / 100);
  if (!needsExplanation()) show();
});
element("threshold").addEventListener("change", settle);
element("threshold-own").addEventListener("click", () => {
  setThreshold(null);
  element("threshold").focus();
  show();
});
element("mode").addEventListener("change", show);
element("take-mask").addEventListener("click", () => take("segment", "mask", ".mask.png"));
element("take-json").addEventListener("click", () => take("segment", "json", ".json"));
element("take-sheet").addEventListener("click", () => take("explain", "sheet", ".explained.png"));
element("take-coco").addEventListener("click", takeCoco);

for (const [button, input, use] of [
  ["choose-files", "files", open],
  ["choose-folder", "folder", open],
  ["choose-truth", "truth-files", (files) => {
    const fitting = pairTruth(state.frames, frame(), files);
    if (fitting === 0) return complain("None of these masks is named as a frame is. Choose one mask to compare it with the frame that is shown.");
    element("show-truth").disabled = !frame().truth;
    show();
  }],
]) {
  element(button).addEventListener("click", () => element(input).click());
  element(input).addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) use(files);
  });
}

addEventListener("dragover", (event) => {
  event.preventDefault();
  viewer.classList.add("over");
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) viewer.classList.remove("over"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  viewer.classList.remove("over");
  open(await filesOf(event.dataTransfer));
});

new ResizeObserver(paint).observe(canvas);

askModel().then((found) => {
  state.model = found;
  element("model").textContent = `Model ${found.name}, marks ${found.classes.join(", ")}`;
  element("mode").replaceChildren(...found.modes.map((name) => make("option", { value: name, textContent: name, selected: name === found.mode })));
  listConditions(found.conditions);
  for (const id of ["show-disagreement", "show-regions", "take-sheet"]) element(id).disabled = !found.explains;
  if (!found.explains) element("conditions-note").textContent = "This model can’t tell: it is exported. Serve the model’s folder.";
}).catch(refuse);
