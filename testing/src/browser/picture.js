// A picture as rows of places in a palette of 256 colours: those by which it changes least. The others become the
// nearest of them.
async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const { width, height } = image;
  const paper = new OffscreenCanvas(width, height).getContext("2d");
  paper.drawImage(image, 0, 0);
  const pixels = new Uint32Array(paper.getImageData(0, 0, width, height).data.buffer);

  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const parts = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
  const distance = (one, other) => one.reduce((sum, part, place) => sum + (part - other[place]) ** 2, 0);
  const colours = [...counts].map(([pixel, count]) => ({ pixel, count, parts: parts(pixel), off: Infinity, place: 0 }));
  const palette = [];
  while (palette.length < Math.min(256, colours.length)) {
    const worth = ({ count, off }) => (off === Infinity ? count : count * off);
    const next = colours.reduce((best, colour) => (worth(colour) > worth(best) ? colour : best));
    for (const colour of colours) {
      const off = distance(colour.parts, next.parts);
      if (off < colour.off) Object.assign(colour, { off, place: palette.length });
    }
    palette.push(next.parts);
  }
  const places = new Map(colours.map(({ pixel, place }) => [pixel, place]));

  // Each row begins with a byte that says that nothing is done to it.
  const rows = new Uint8Array((width + 1) * height);
  pixels.forEach((pixel, at) => { rows[at + Math.floor(at / width) + 1] = places.get(pixel); });
  const compressed = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate")));
  const base64 = (bytes) => btoa([...bytes].map((byte) => String.fromCharCode(byte)).join(""));
  return { palette: base64(palette.flat()), rows: base64(new Uint8Array(await compressed.arrayBuffer())) };
}
