/* The pictures of the explorer: sprite sheets, which are decoded when they are needed, and painting on canvases.

   foolflowExplorer.paint(canvas, what) paints one image, { judgement, row, what: "clean" | "perturbation" |
   "adversarial", magnify }, with judgement and row from Gallery.place. It returns a promise. */
window.foolflowExplorer = (() => {
  "use strict";

  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const KEPT = 96 * 2 ** 20; // bytes of decoded sheets
  const GREY = 128;

  const decodedSheets = new Map(); // number -> promise, least recently used first
  let keptBytes = 0;

  /* PNG is decoded here and not by a canvas: some browsers add noise to what a script reads from a canvas. */
  async function decodePng(bytes) {
    const view = new DataView(bytes.buffer);
    const parts = [];
    let width, height, channels;
    for (let at = 8; at < bytes.length; ) {
      const length = view.getUint32(at);
      const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
      if (kind === "IHDR") {
        [width, height, channels] = [view.getUint32(at + 8), view.getUint32(at + 12), bytes[at + 17] === 2 ? 3 : 1];
      } else if (kind === "IDAT") {
        parts.push(bytes.subarray(at + 8, at + 8 + length));
      }
      at += 12 + length;
    }
    const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    return { width, channels, pixels: unfiltered(raw, height, width * channels, channels) };
  }

  /** Undo the filter of each row (PNG specification, section 9). */
  function unfiltered(raw, height, stride, step) {
    const pixels = new Uint8Array(height * stride);
    for (let y = 0; y < height; y++) {
      const filter = raw[y * (stride + 1)];
      for (let x = 0; x < stride; x++) {
        const at = y * stride + x;
        const left = x >= step ? pixels[at - step] : 0;
        const up = y > 0 ? pixels[at - stride] : 0;
        const corner = x >= step && y > 0 ? pixels[at - stride - step] : 0;
        pixels[at] = raw[at + y + 1] + predicted(filter, left, up, corner); // modulo 256
      }
    }
    return pixels;
  }

  function predicted(filter, left, up, corner) {
    if (filter === 0) return 0;
    if (filter === 1) return left;
    if (filter === 2) return up;
    if (filter === 3) return (left + up) >> 1;
    const [a, b, c] = [left, up, corner].map((each) => Math.abs(left + up - corner - each));
    return a <= b && a <= c ? left : b <= c ? up : corner;
  }

  function sheet(number) {
    let promise = decodedSheets.get(number);
    decodedSheets.delete(number);
    if (promise === undefined) {
      const text = document.getElementById(`sheet-${number}`).textContent;
      promise = decodePng(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
      promise.then(({ pixels }) => {
        keptBytes += pixels.length;
        for (const [oldest, old] of decodedSheets) {
          if (keptBytes <= KEPT || oldest === number) break;
          decodedSheets.delete(oldest);
          old.then((dropped) => (keptBytes -= dropped.pixels.length));
        }
      });
    }
    decodedSheets.set(number, promise);
    return promise;
  }

  /** Return one image of the sheets, with its channels interleaved. */
  async function sprite({ first, per, columns }, place, height, width) {
    const { pixels, width: full, channels } = await sheet(first + Math.floor(place / per));
    const at = place % per;
    const start = (Math.floor(at / columns) * height * full + (at % columns) * width) * channels;
    const found = new Uint8Array(height * width * channels);
    for (let y = 0; y < height; y++) {
      const from = start + y * full * channels;
      found.set(pixels.subarray(from, from + width * channels), y * width * channels);
    }
    return found;
  }

  async function pixelsOf({ judgement, row, what, magnify = 1 }) {
    const set = data.sets[data.judgements[judgement].set];
    const { sprites, height, width } = data.datasets[set.dataset];
    const clean = await sprite(sprites, set.image[row], height, width);
    if (what === "clean") return clean;
    const difference = await sprite(set.sprites, row, height, width);
    const made = clean.map((value, at) => value + difference[at]); // modulo 256
    if (what === "adversarial") return made;
    return Uint8Array.from(Uint8ClampedArray.from(made, (value, at) => GREY + magnify * (value - clean[at])));
  }

  const painting = new WeakMap(); // canvas -> its newest task

  /** Wait for what a canvas needs. Return undefined if the canvas has a newer task by then. */
  async function latest(canvas, needed) {
    const task = {};
    painting.set(canvas, task);
    const found = await needed;
    return painting.get(canvas) === task ? found : undefined;
  }

  async function paint(canvas, task) {
    const pixels = await latest(canvas, pixelsOf(task));
    if (pixels === undefined) return;
    const { height, width } = data.datasets[data.sets[data.judgements[task.judgement].set].dataset];
    drawPixels(canvas, pixels, height, width);
  }

  function drawPixels(canvas, pixels, height, width) {
    const channels = pixels.length / (height * width);
    const image = new ImageData(width, height);
    for (let at = 0; at < height * width; at++) {
      for (let channel = 0; channel < 3; channel++) {
        image.data[4 * at + channel] = pixels[at * channels + (channels === 3 ? channel : 0)];
      }
      image.data[4 * at + 3] = 255;
    }
    Object.assign(canvas, { width, height });
    canvas.classList.toggle("x-photo", Math.max(width, height) > 128); // smoothed when scaled
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  return { data, paint, pictures: { sprite, pixelsOf, drawPixels, latest } };
})();
