/* The flow of spatial attacks: adversarial(i, j) = clean(i + down, j + along). */
foolflowExplorer.flow = (() => {
  "use strict";

  const { data, pictures } = foolflowExplorer;
  const VIEWS = { arrows: "Arrows", grid: "Warped grid", magnitude: "Magnitude", shift: "Common shift" };
  const SIDE = 640; // pixels of the canvas, at least
  const LINES = 28; // arrows or grid lines per side, at most
  const TIMES = [20, 10, 5, 2, 1]; // how much longer than true a short flow is drawn
  const VISIBLE = 1.5; // distances between arrows that the longest should have

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** Draw the flow of an image in one of the VIEWS. Return what the view shows and the longest flow in pixels. */
  async function draw(canvas, { judgement, row, view }) {
    const set = data.sets[data.judgements[judgement].set];
    const { height, width, factor } = data.datasets[set.dataset];
    const needed = Promise.all([
      pictures.sprite(set.flow, row, 2 * height, width),
      pictures.pixelsOf({ judgement, row, what: "clean" }),
    ]);
    const found = await pictures.latest(canvas, needed);
    if (found === undefined) return undefined;
    const field = describe(found[0], set.flow.scale, height, width, factor);
    const still = document.createElement("canvas");
    pictures.drawPixels(still, view === "magnitude" ? heat(field) : found[1], height, width);
    const zoom = Math.max(1, Math.ceil(SIDE / Math.max(height, width)));
    Object.assign(canvas, { width: width * zoom, height: height * zoom });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(still, 0, 0, canvas.width, canvas.height);
    if (view !== "magnitude") drawLines(context, field, view, zoom);
    return { text: explain(field, view), longest: field.longest };
  }

  /** Decode a flow. All lengths are in pixels of the full image, of which `factor` are one pixel that is shown. */
  function describe(steps, scale, height, width, factor) {
    const values = Float32Array.from(steps, (step) => ((step - 128) / 127) * scale);
    const [down, along] = [values.subarray(0, height * width), values.subarray(height * width)];
    const lengths = down.map((value, at) => Math.hypot(value, along[at]));
    const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
    const every = Math.ceil(Math.max(height, width) / LINES);
    const times = TIMES.find((each) => (longest * each) / factor <= VISIBLE * every) ?? 1;
    return { down, along, lengths, longest, shift: [mean(down), mean(along)], every, times, height, width, factor };
  }

  function explain({ down, along, lengths, shift, times }, view) {
    // A pixel takes the value that lies `down` below it, so the content moves up.
    const way = (size, forward, back) => `${Math.abs(size).toFixed(2)} px ${size >= 0 ? forward : back}`;
    const rest = mean(lengths.map((_, at) => Math.hypot(down[at] - shift[0], along[at] - shift[1])));
    const meaning = {
      arrows: "Each arrow goes from where a pixel is sampled in the clean image to the pixel.",
      grid: "The lines join the places that a regular grid of pixels is sampled from.",
      magnitude: "The colour is the length of the flow of each pixel.",
      shift: "The dashed frame is where the image would be sampled if all pixels had the mean flow.",
    };
    return (
      meaning[view] + (view !== "magnitude" && times > 1 ? ` Drawn ${times} times as long.` : "") +
      ` Common shift: the content moves ${way(shift[0], "up", "down")} and ${way(shift[1], "to the left", "to the right")}.` +
      ` Mean length ${mean(lengths).toFixed(2)} px, ${rest.toFixed(2)} px without the common shift.`
    );
  }

  function drawLines(context, { down, along, lengths, shift, every, times, height, width, factor }, view, zoom) {
    const point = (i, j, di = 0, dj = 0) => [(j + 0.5 + (dj * times) / factor) * zoom, (i + 0.5 + (di * times) / factor) * zoom];
    const sampled = (i, j) => point(i, j, down[i * width + j], along[i * width + j]);
    const lines = new Path2D();
    if (view === "arrows") {
      for (let i = every >> 1; i < height; i += every) {
        for (let j = every >> 1; j < width; j += every) {
          if (lengths[i * width + j] > 0) addArrow(lines, sampled(i, j), point(i, j), zoom * every);
        }
      }
    } else if (view === "grid") {
      for (const [rows, columns, at] of [[height, width, sampled], [width, height, (i, j) => sampled(j, i)]]) {
        for (let i = 0; i < rows; i += every) {
          for (let j = 0; j < columns; j++) lines[j ? "lineTo" : "moveTo"](...at(i, j));
        }
      }
    } else {
      const frame = new Path2D();
      frame.rect(...point(-0.5, -0.5, ...shift), width * zoom, height * zoom);
      context.setLineDash([zoom / 2, zoom / 2]);
      stroke(context, frame, zoom);
      context.setLineDash([]);
      const centre = [(height - 1) / 2, (width - 1) / 2];
      addArrow(lines, point(...centre, ...shift), point(...centre), zoom * 4);
    }
    stroke(context, lines, zoom * Math.min(2, every));
  }

  /** Draw in light on dark, so that lines are seen on any image. */
  function stroke(context, path, zoom) {
    for (const [colour, wider] of [["#00131f", 2.5], ["#ffb000", 0]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: Math.max(1.5, zoom / 14) + wider, lineCap: "round", lineJoin: "round" });
      context.stroke(path);
    }
  }

  function addArrow(path, [x0, y0], [x1, y1], room) {
    const [angle, length] = [Math.atan2(y1 - y0, x1 - x0), Math.hypot(x1 - x0, y1 - y0)];
    const head = Math.min(length * 0.5, room * 0.3);
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
    for (const side of [-0.5, 0.5]) {
      path.moveTo(x1, y1);
      path.lineTo(x1 - head * Math.cos(angle + side), y1 - head * Math.sin(angle + side));
    }
  }

  /** Colour lengths from black over orange to light yellow. The gradient in explorer.css is the same. */
  function heat({ lengths, longest }) {
    const stops = [[0, 0, 4], [120, 28, 109], [237, 105, 37], [252, 255, 164]];
    return Uint8Array.from([...lengths].flatMap((length) => {
      const place = (length / (longest || 1)) * (stops.length - 1);
      const at = Math.min(stops.length - 2, Math.floor(place));
      return stops[at].map((from, channel) => Math.round(from + (stops[at + 1][channel] - from) * (place - at)));
    }));
  }

  return { VIEWS, draw };
})();
