// Draws the frame and what is laid over it.

export function fit(width, height, boxWidth, boxHeight) {
  const scale = Math.min(boxWidth / width, boxHeight / height);
  return { x: (boxWidth - width * scale) / 2, y: (boxHeight - height * scale) / 2, width: width * scale, height: height * scale };
}

// Strokes a path given in shares of the frame with a line of so many pixels, on a dark halo.
function stroke(context, place, path, colour, line, dash) {
  const placed = new Path2D();
  placed.addPath(path, new DOMMatrix([place.width, 0, 0, place.height, place.x, place.y]));
  context.lineJoin = "round";
  context.setLineDash([]);
  context.lineWidth = line * 2;
  context.strokeStyle = "#000a";
  context.stroke(placed);
  context.setLineDash(dash);
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.stroke(placed);
  context.setLineDash([]);
  return placed;
}

// `layers`: { picture, heats: [canvas], outlines: [{ path, colour }], truth: path, cells: canvas }, all upright.
export function draw(canvas, layers) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!layers.picture) return;
  const place = fit(layers.picture.width, layers.picture.height, width, height);
  const lay = (image, smooth) => {
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, place.x, place.y, place.width, place.height);
  };
  lay(layers.picture, true);
  for (const heat of layers.heats) lay(heat, true);
  if (layers.cells) lay(layers.cells, false);
  context.save();
  context.beginPath();
  context.rect(place.x, place.y, place.width, place.height);
  context.clip();
  const line = 2 * ratio;
  for (const { path, colour } of layers.outlines) {
    const placed = stroke(context, place, path, colour, line, []);
    if (layers.heats.length === 0) {
      context.globalAlpha = 0.14;
      context.fillStyle = colour;
      context.fill(placed, "nonzero");
      context.globalAlpha = 1;
    }
  }
  if (layers.truth) stroke(context, place, layers.truth, "#ffffff", line * 0.8, [6 * ratio, 5 * ratio]);
  context.restore();
}
