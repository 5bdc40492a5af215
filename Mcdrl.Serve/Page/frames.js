// Frames and truth masks among the files that a person drops or chooses.

const image = /\.(png|jpe?g|jpe|jfif|webp|bmp|gif|tiff?)$/i;
const ours = /\.(overlay|probability(\.\d+)?|explained)\.png$/i;
const maskFolder = /^(masks?|labels?|truths?|gt|ground[-_ ]?truth|annotations?)$/i;
const maskEnding = /[._-](mask|label|truth|gt|seg|segmentation)$/i;

const pathOf = (file) => file.path ?? (file.webkitRelativePath || file.name);
const stemOf = (file) => file.name.replace(/\.[^.]+$/, "");

function isMask(file) {
  const folders = pathOf(file).split("/").slice(0, -1);
  return folders.some((folder) => maskFolder.test(folder)) || maskEnding.test(stemOf(file));
}

const isImage = (file) => image.test(file.name) && !ours.test(file.name) && !file.name.startsWith(".") && !pathOf(file).includes(".explained/");
const keyOf = (file) => stemOf(file).replace(maskEnding, "").toLowerCase();
const byPath = (one, other) => pathOf(one).localeCompare(pathOf(other), undefined, { numeric: true });

// Frames in the order of their paths, each with the mask of its name where one is among the files.
export function framesOf(files) {
  const images = files.filter(isImage).sort(byPath);
  const masks = new Map(images.filter(isMask).map((file) => [keyOf(file), file]));
  const frames = images.filter((file) => !isMask(file));
  return (frames.length ? frames : images).map((file) => ({
    file, name: file.name, path: pathOf(file), truth: frames.length ? masks.get(keyOf(file)) ?? null : null, answers: new Map(),
  }));
}

// Gives frames their masks: by name, or the one mask to the frame that is shown. How many fit.
export function pairTruth(frames, shown, masks) {
  const images = masks.filter(isImage);
  const found = new Map(images.map((file) => [keyOf(file), file]));
  const paired = frames.filter((frame) => found.has(keyOf(frame.file)));
  for (const frame of paired) setTruth(frame, found.get(keyOf(frame.file)));
  if (paired.length === 0 && images.length === 1) {
    setTruth(shown, images[0]);
    return 1;
  }
  return paired.length;
}

function setTruth(frame, file) {
  frame.truth = file;
  frame.truthMask = undefined;
}

const entries = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

async function filesBelow(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    file.path = entry.fullPath;
    return [file];
  }
  const found = [];
  const reader = entry.createReader();
  // A reader hands out a hundred at a time, and nothing after the last.
  for (let some = await entries(reader); some.length; some = await entries(reader)) {
    for (const inner of some) found.push(...await filesBelow(inner));
  }
  return found;
}

// All files that were dropped, those in folders too.
export async function filesOf(transfer) {
  const dropped = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (dropped.length === 0) return [...transfer.files];
  return (await Promise.all(dropped.map(filesBelow))).flat();
}
