// COCO files of one image each as one of all.

// `parts`: { name, file }, each file with one image, in the order of the images.
export function merged(parts) {
  const annotations = parts.flatMap(({ file }, index) => file.annotations.map((annotation) => ({ ...annotation, image_id: index + 1 })));
  return {
    images: parts.map(({ name, file }, index) => ({ ...file.images[0], id: index + 1, file_name: name })),
    categories: parts[0].file.categories,
    annotations: annotations.map((annotation, index) => ({ ...annotation, id: index + 1 })),
  };
}
