// Answers as one COCO file: an annotation a region, polygons where a region has no hole, else a run-length code.

const flat = (outline) => outline.flat();

// Runs of pixels outside and inside by turns, column by column.
function runs(region, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const path = new Path2D();
  for (const outline of [region.outline, ...region.holes]) {
    outline.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  context.fill(path, "evenodd");
  const { data } = context.getImageData(0, 0, width, height);
  const counts = [];
  let inside = false, length = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const isInside = data[(y * width + x) * 4 + 3] > 127;
      if (isInside !== inside) {
        counts.push(length);
        inside = isInside;
        length = 0;
      }
      length++;
    }
  }
  counts.push(length);
  return { size: [height, width], counts };
}

export function coco(reports, classes, notice) {
  const annotations = reports.flatMap((report, index) => report.classes.flatMap((found) => found.regions.map((region) => ({
    image_id: index + 1, category_id: found.label, iscrowd: region.holes.length ? 1 : 0, area: region.area, bbox: region.box, score: region.mean_probability,
    segmentation: region.holes.length ? runs(region, report.width, report.height) : [flat(region.outline)],
  }))));
  return {
    info: { description: notice },
    images: reports.map((report, index) => ({ id: index + 1, file_name: report.image, width: report.width, height: report.height })),
    categories: classes.map((name, index) => ({ id: index + 1, name })),
    annotations: annotations.map((annotation, index) => ({ id: index + 1, ...annotation })),
  };
}
