// Files to pictures, masks and maps.

// Where a file's pixels go so that it is seen upright: a transform in shares of the upright frame, by the report's name of the orientation.
const upright = {
  "top-left": [1, 0, 0, 1, 0, 0], "top-right": [-1, 0, 0, 1, 1, 0], "bottom-right": [-1, 0, 0, -1, 1, 1], "bottom-left": [1, 0, 0, -1, 0, 1],
  "left-top": [0, 1, 1, 0, 0, 0], "right-top": [0, 1, -1, 0, 1, 0], "right-bottom": [0, -1, -1, 0, 1, 1], "left-bottom": [0, -1, 1, 0, 0, 1],
};

const pixelsOf = (bitmap, width, height, transform) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = width !== bitmap.width || height !== bitmap.height;
  context.scale(width, height);
  context.transform(...transform);
  context.drawImage(bitmap, 0, 0, 1, 1);
  return context.getImageData(0, 0, width, height);
};

// The frame as it is seen, or null where the browser can't read it (TIFF).
export async function decode(blob, options) {
  try {
    return await createImageBitmap(blob, options);
  } catch {
    return null;
  }
}

// One number a pixel of a PNG that lies as its frame's file does, upright, at most `most` pixels a side: what red, green or blue has most of, 0 to 255.
export async function levels(blob, orientation, most) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const turned = ["left-top", "right-top", "right-bottom", "left-bottom"].includes(orientation);
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const sizes = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const [width, height] = turned ? sizes.reverse() : sizes;
  const { data } = pixelsOf(bitmap, width, height, upright[orientation]);
  const values = new Uint8Array(width * height);
  for (let pixel = 0; pixel < values.length; pixel++) values[pixel] = Math.max(data[pixel * 4], data[pixel * 4 + 1], data[pixel * 4 + 2]);
  return { width, height, values };
}

// A mask's levels as a field whose zero is the mask's edge: 0 is outside, anything else inside.
export const fieldOfMask = ({ width, height, values }) => ({
  width, height, values: Float32Array.from(values, (value) => (value > 0 ? 1 : -1)),
});

const ramps = {
  probability: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
  disagreement: [[20, 11, 53], [106, 23, 110], [187, 55, 84], [249, 142, 9], [252, 255, 164]],
};

export function colour(ramp, share) {
  const stops = ramps[ramp], place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2), part = place - first;
  return stops[first].map((level, channel) => Math.round(level + part * (stops[first + 1][channel] - level)));
}

// Shares from 0 to 1 as a picture to lay over the frame: the more, the less of the frame is seen.
export function heat(ramp, width, height, share) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const value = share(pixel);
    image.data.set(colour(ramp, value), pixel * 4);
    image.data[pixel * 4 + 3] = Math.round(255 * Math.min(0.6, 0.08 + 0.7 * Math.sqrt(value)));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
