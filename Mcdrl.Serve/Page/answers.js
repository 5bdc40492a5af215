// What the service says about a frame, asked once for each way to ask and kept.

import { bytesOf, post } from "./service.js";
import { decode, fieldOfMask, levels } from "./pictures.js";
import { outlinesOf } from "./fields.js";

// Frames whose answers and pictures are kept.
const mostKept = 40;
const kept = [];

function keep(frame) {
  const at = kept.indexOf(frame);
  if (at >= 0) kept.splice(at, 1);
  kept.push(frame);
  if (kept.length > mostKept) forget(kept.shift());
}

export function forget(frame) {
  frame.answers.clear();
  frame.picture?.close();
  frame.picture = undefined;
  frame.truthMask = undefined;
}

const pngOf = (base64) => new Blob([bytesOf(base64)], { type: "image/png" });

function once(frame, key, make) {
  keep(frame);
  if (!frame.answers.has(key)) {
    const made = make();
    frame.answers.set(key, made);
    made.catch(() => frame.answers.delete(key));
  }
  return frame.answers.get(key);
}

// The upright picture; of a file that the browser can't read the service's.
export async function pictureOf(frame) {
  keep(frame);
  if (!frame.picture) {
    const picture = await decode(frame.file) ?? await once(frame, "picture", async () =>
      createImageBitmap(await (await post("segment", frame.file, { output: "picture", name: frame.name })).blob()));
    frame.picture ??= picture;
  }
  return frame.picture;
}

// The report in the model's own marking, and the network's maps of classes.
export const segmented = (frame, mode, signal) => once(frame, `segment ${mode}`, async () => {
  const answer = await (await post("segment", frame.file, { output: "json,maps", mode, name: frame.name }, signal)).json();
  return { report: answer.json, maps: { shape: answer.maps.shape, values: new Float32Array(bytesOf(answer.maps.float32).buffer) } };
});

// The report with its explanation, and the maps and masks that it names, as they are asked for.
export const explained = (frame, mode, threshold, signal) => once(frame, `explain ${mode} ${threshold}`, async () => {
  const answer = await (await post("explain", frame.file, { output: "json,files", mode, threshold, name: frame.name }, signal)).json();
  const { orientation, explanation } = answer.json;
  const made = new Map();
  const cached = (name, make) => {
    if (!made.has(name)) made.set(name, make());
    return made.get(name);
  };
  const map = (name, most) => cached(name, () => levels(pngOf(answer.files[name]), orientation, most));
  return {
    explanation,
    disagreement: () => map(explanation.mutual_information.file, 512),
    cells: () => map(explanation.regions.selected, 512),
    underCondition: (name) => cached(`outline ${name}`, async () => {
      const { mask } = explanation.conditions.find((found) => found.condition === name);
      return outlinesOf(fieldOfMask(await map(mask, 640)));
    }),
  };
});

// The truth mask at its own size, and its outlines.
export async function truthOf(frame) {
  if (!frame.truth) return null;
  frame.truthMask ??= (async () => {
    const mask = await levels(frame.truth, "top-left", Infinity);
    const small = await levels(frame.truth, "top-left", 640);
    return { mask, outlines: outlinesOf(fieldOfMask(small)) };
  })();
  return frame.truthMask;
}
