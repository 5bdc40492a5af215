// What a map of probabilities says at a threshold. A field is { side, values }: positive where a class is marked, its zero the outline.

// One field a class. Without a threshold a pixel has its most probable class, background among them; with one it is marked from that
// P(lesion) on, as the most probable class of lesion.
export function fieldsOf(maps, threshold) {
  const [count, side] = maps.shape;
  const area = side * side;
  const map = (label, pixel) => maps.values[label * area + pixel];
  return Array.from({ length: count - 1 }, (_, index) => {
    const values = new Float32Array(area);
    for (let pixel = 0; pixel < area; pixel++) {
      let rival = threshold === null ? map(0, pixel) : -1;
      for (let label = 1; label < count; label++) {
        if (label !== index + 1) rival = Math.max(rival, map(label, pixel));
      }
      const own = map(index + 1, pixel) - rival;
      values[pixel] = threshold === null ? own : Math.min(own, 1 - map(0, pixel) - threshold + 1e-7);
    }
    return { width: side, height: side, values };
  });
}

// The field at a point, in shares of the frame, as torch enlarges maps: linear between the centres of cells.
export function valueAt(field, x, y) {
  const column = Math.min(Math.max(x * field.width - 0.5, 0), field.width - 1);
  const row = Math.min(Math.max(y * field.height - 0.5, 0), field.height - 1);
  const left = Math.floor(column), top = Math.floor(row);
  const right = Math.min(left + 1, field.width - 1), bottom = Math.min(top + 1, field.height - 1);
  const dx = column - left, dy = row - top;
  const at = (i, j) => field.values[j * field.width + i];
  return (at(left, top) * (1 - dx) + at(right, top) * dx) * (1 - dy) + (at(left, bottom) * (1 - dx) + at(right, bottom) * dx) * dy;
}

// The closed outlines of a field's zero, points in shares of the frame, by marching squares; what is marked lies on one side of all of them.
// Beyond its border a field goes on as it is at it, and ends there.
export function outlinesOf(field) {
  const { width, height, values } = field;
  const columns = width + 4, rows = height + 4;
  const inner = (position, size) => Math.min(Math.max(position - 2, 0), size - 1);
  const value = (x, y) =>
    x === 0 || y === 0 || x === columns - 1 || y === rows - 1 ? -1 : values[inner(y, height) * width + inner(x, width)] || -1e-9;
  const share = (position, size) => Math.min(Math.max((position - 1.5) / size, 0), 1);

  // An edge of the grid by number: the one to the right of a node is even, the one below it odd.
  const across = (x, y) => 2 * (y * columns + x), down = (x, y) => 2 * (y * columns + x) + 1;
  const follow = new Map();

  for (let y = 0; y < rows - 1; y++) {
    for (let x = 0; x < columns - 1; x++) {
      const a = value(x, y) > 0, b = value(x + 1, y) > 0, c = value(x + 1, y + 1) > 0, d = value(x, y + 1) > 0;
      const which = a + 2 * b + 4 * c + 8 * d;
      if (which === 0 || which === 15) continue;
      const top = across(x, y), right = down(x + 1, y), bottom = across(x, y + 1), left = down(x, y);
      const isFull = () => value(x, y) + value(x + 1, y) + value(x + 1, y + 1) + value(x, y + 1) > 0;
      const join = (from, to) => follow.set(from, to);
      switch (which) {
        case 1: join(left, top); break;
        case 2: join(top, right); break;
        case 3: join(left, right); break;
        case 4: join(right, bottom); break;
        case 5: if (isFull()) { join(right, top); join(left, bottom); } else { join(left, top); join(right, bottom); } break;
        case 6: join(top, bottom); break;
        case 7: join(left, bottom); break;
        case 8: join(bottom, left); break;
        case 9: join(bottom, top); break;
        case 10: if (isFull()) { join(top, left); join(bottom, right); } else { join(top, right); join(bottom, left); } break;
        case 11: join(bottom, right); break;
        case 12: join(right, left); break;
        case 13: join(right, top); break;
        case 14: join(top, left); break;
      }
    }
  }

  const point = (edge) => {
    const node = edge >> 1, x = node % columns, y = (node - x) / columns;
    const [x2, y2] = edge % 2 ? [x, y + 1] : [x + 1, y];
    const from = value(x, y), to = value(x2, y2), part = from / (from - to);
    const between = (one, other, size) => share(one, size) + part * (share(other, size) - share(one, size));
    return [between(x, x2, width), between(y, y2, height)];
  };

  const outlines = [];
  while (follow.size) {
    const [start] = follow.keys();
    const outline = [];
    for (let edge = start; edge !== undefined && follow.has(edge);) {
      outline.push(point(edge));
      const next = follow.get(edge);
      follow.delete(edge);
      edge = next;
    }
    outlines.push(outline);
  }
  return outlines;
}

// The area within an outline in shares of the frame, negative for a hole.
export function areaOf(outline) {
  let twice = 0;
  for (let i = 0; i < outline.length; i++) {
    const [x, y] = outline[i], [nextX, nextY] = outline[(i + 1) % outline.length];
    twice += x * nextY - nextX * y;
  }
  return -twice / 2;
}

// The outlines of regions of at least this share of the frame, with their holes.
export const withoutSmall = (outlines, least) => outlines.filter((outline) => areaOf(outline) < 0 || areaOf(outline) >= least);

// The outlines as a path, in shares of the frame.
export function pathOf(outlines) {
  const path = new Path2D();
  for (const outline of outlines) {
    outline.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  return path;
}

// Dice of what outlines enclose and of a mask, counted in the mask's pixels; 1 where both are empty.
export function dice(outlines, mask) {
  const canvas = new OffscreenCanvas(mask.width, mask.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(mask.width, mask.height);
  context.fill(pathOf(outlines), "nonzero");
  const drawn = context.getImageData(0, 0, mask.width, mask.height).data;
  let both = 0, marked = 0, truth = 0;
  for (let pixel = 0; pixel < mask.values.length; pixel++) {
    const isMarked = drawn[pixel * 4 + 3] > 127, isTruth = mask.values[pixel] > 0;
    if (isMarked) marked++;
    if (isTruth) truth++;
    if (isMarked && isTruth) both++;
  }
  return marked + truth === 0 ? 1 : (2 * both) / (marked + truth);
}
