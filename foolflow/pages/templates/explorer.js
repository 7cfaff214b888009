/* The explorer: filters, thumbnails and a detailed view of the stored adversarial images.

   A link to #explorer?... shows the images of a number; foolflow.pages.gallery.query writes such addresses.

   Text from the data (class names, attacks) is only ever set as text, never as HTML. */
(() => {
  "use strict";

  const { data, paint, flow } = foolflowExplorer;
  const root = document.getElementById("explorer");
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const wide = window.matchMedia("(min-width: 1000px)");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  const PAGE = 48; // thumbnails at a time
  const REACH = 20; // pages at most, to include an image that an address asks for
  const MANY = 50; // options, above which a filter is a text field with suggestions
  const BINS = 40;
  const FLICKER = 450; // milliseconds, slow enough for the limit of three flashes per second

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // A name may be long, or be written from right to left.
  const named = (text) => element("bdi", { textContent: text, title: text });
  const isolated = (text) => `\u2068${text}\u2069`;
  const count = (number) => number.toLocaleString("en");
  const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
  const percent = (perMille) => (perMille === 0 ? "<0.1 %" : `${perMille === 1000 ? 100 : (perMille / 10).toFixed(1)} %`);
  const shown = (value) => (value === null ? "–" : String(value).replace("-", "−"));
  const address = (entry) => `${entry.model}/${entry.defense}`;

  /** Budgets are often fractions of 255. */
  function epsilonText(value) {
    const steps = Math.round(value * 255);
    const exact = [4, 6, 7].some((digits) => Number((steps / 255).toPrecision(digits)) === value);
    return exact && String(value).length > 4 ? `${steps}/255` : String(value);
  }

  // ---- Rows: one victim's judgement of one image ----

  const OUTCOMES = {
    fooled: { mark: "✗", text: "Fooled" },
    target: { mark: "◎", text: "Reached its target" },
    resisted: { mark: "✓", text: "Resisted" },
    beyond: { mark: "✓", text: "Fooled beyond the bound" },
    before: { mark: "–", text: "Wrong before" },
  };

  const className = (victim, number) => data.names[victim.names][number] ?? `class ${number}`;

  function makeRows() {
    for (const victim of data.victims) victim.at = new Map(victim.image.map((image, at) => [image, at]));
    for (const set of data.sets) {
      // A number that is the same for all images of the set is stored once.
      for (const name of data.columns) {
        const value = set[name];
        if (value !== undefined && !Array.isArray(value)) set[name] = set.image.map(() => value);
      }
    }
    return data.judgements.flatMap((judgement, number) => {
      const set = data.sets[judgement.set];
      const victim = data.victims[judgement.victim];
      return set.image.map((image, row) => {
        const at = victim.at.get(image);
        const [label, target] = [victim.label[at], set.target[row]];
        const [clean, made] = [victim.likely[at * victim.width], judgement.likely[row * judgement.width]];
        const outcome =
          clean !== label ? "before" : target >= 0 && made === target ? "target" : made !== label ? "fooled" : "resisted";
        return { judgement, number, row, set, victim, image, at, label, target, clean, made, outcome };
      });
    });
  }

  // The largest perturbation that counts, { norm, size }; null: any size counts.
  let bound = null;

  /** How an image fared. A perturbation beyond the bound does not count, with the tolerance of the tables. */
  function outcomeOf(row) {
    const counts = row.outcome === "fooled" || row.outcome === "target";
    if (bound === null || !counts) return row.outcome;
    return row.set[bound.norm][row.row] <= bound.size * (1 + 1e-6) + 1e-7 ? row.outcome : "beyond";
  }

  const rows = makeRows();
  const rowsOfImages = data.datasets.map(({ index }) => index.map(() => []));
  for (const row of rows) rowsOfImages[row.set.dataset][row.image].push(row);
  const rowsOfSameImage = (row) => rowsOfImages[row.set.dataset][row.image];
  const testIndex = (row) => data.datasets[row.set.dataset].index[row.image];
  const own = (row) => row.set.source === address(row.victim);
  const rowName = (row) =>
    [data.datasets[row.set.dataset].name, row.victim.model, row.victim.defense, row.victim.seed, row.set.source,
      row.set.attack, row.set.row[row.row]].join(","); // names of the config contain no comma
  const severalSeeds = new Set(data.victims.map((victim) => victim.seed)).size > 1;

  function victimText(row) {
    return address(row.victim) + (severalSeeds ? `, seed ${row.victim.seed}` : "");
  }

  const attackName = (attack) => data.attacks[attack] ?? attack;
  // Several attacks are possible, in a list with commas; names of the config contain none.
  const attackNames = (list) => (list.includes(",") ? `${list.split(",").length} attacks` : attackName(list));

  function attackText(row) {
    const epsilon = row.set.epsilon[row.row];
    return attackName(row.set.attack) + (epsilon === null ? "" : ` ε ${epsilonText(epsilon)}`) + (own(row) ? "" : `, made on ${row.set.source}`);
  }

  // ---- Filters and sort keys ----

  const FILTERS = [
    { key: "dataset", label: "Data set", of: (row) => data.datasets[row.set.dataset].name },
    { key: "model", label: "Model", of: (row) => row.victim.model },
    { key: "defense", label: "Defense", of: (row) => row.victim.defense },
    { key: "seed", label: "Seed", of: (row) => String(row.victim.seed), rank: (row) => row.victim.seed },
    { key: "source", label: "Made on", of: (row) => row.set.source, text: (value) => (value === "own" ? "the victim itself" : value) },
    { key: "attack", label: "Attack", of: (row) => row.set.attack, text: attackNames },
    {
      key: "epsilon",
      label: "Epsilon",
      of: (row) => String(row.set.epsilon[row.row] ?? "none"),
      rank: (row) => row.set.epsilon[row.row] ?? -1,
      text: (value) => (value === "none" ? "none" : epsilonText(Number(value))),
    },
    { key: "class", label: "True class", of: (row) => className(row.victim, row.label), rank: (row) => row.label },
    { key: "predicted", label: "Predicted class", of: (row) => className(row.victim, row.made), rank: (row) => row.made },
    { key: "outcome", label: "Outcome", of: outcomeOf, rank: (row) => Object.keys(OUTCOMES).indexOf(row.outcome) },
  ];

  const measure = (name) => (row) => row.set[name]?.[row.row] ?? null;
  const SORTS = {
    index: { text: "test index", of: testIndex },
    l2: { text: "L2 distance", short: "L2", of: measure("l2") },
    linf: { text: "L∞ distance", short: "L∞", of: measure("linf") },
    margin: { text: "margin", short: "margin", of: (row) => row.judgement.margin[row.row] },
    confidence: { text: "confidence after the attack", of: (row) => row.judgement.confidence[row.row * row.judgement.width] / 10 },
    ssim: { text: "SSIM", short: "SSIM", of: measure("ssim") },
    flow_loss: { text: "flow loss", short: "flow loss", of: measure("flow_loss") },
  };
  if (!data.sets.some((set) => set.flow_loss)) delete SORTS.flow_loss;

  for (const filter of FILTERS) {
    const ranks = new Map();
    rows.forEach((row) => {
      if (!ranks.has(filter.of(row))) ranks.set(filter.of(row), filter.rank ? filter.rank(row) : ranks.size);
    });
    filter.options = [...ranks.keys()].sort((one, other) => ranks.get(one) - ranks.get(other));
    if (filter.key === "source" && rows.some(own) && filter.options.length) filter.options.unshift("own");
    if (filter.key === "outcome") filter.options.push("beyond");
    filter.known = new Set(filter.options);
  }
  // Without transferred images, "made on" says nothing.
  const useful = (filter) => filter.options.length > 1 && (filter.key !== "source" || !rows.every(own));

  function matches(filter, row) {
    if (filter.key === "source" && state.source === "own") return own(row);
    if (filter.key === "attack") return state.attack.split(",").includes(row.set.attack);
    return filter.of(row) === state[filter.key];
  }

  // ---- State, which is in the address ----

  const MAGNIFY = ["1", "5", "20"];
  const DEFAULTS = {
    ...Object.fromEntries(FILTERS.map(({ key }) => [key, ""])),
    within: "", sort: "index", order: "asc", from: "", to: "", at: "", zero: "", magnify: "5", view: "arrows",
  };
  const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
  const VALID = {
    ...Object.fromEntries(FILTERS.map(({ key, known }) => [key, (value) => known.has(value)])),
    attack: (value) => value.split(",").every((attack) => FILTERS.find(({ key }) => key === "attack").known.has(attack)),
    within: (value) => /^(l2|linf):/.test(value) && isNumber(value.split(":")[1]),
    sort: (value) => Object.hasOwn(SORTS, value),
    order: (value) => value === "asc" || value === "desc",
    from: isNumber,
    to: isNumber,
    at: (value) => rowsByName().has(value),
    zero: (value) => value === "1",
    magnify: (value) => MAGNIFY.includes(value),
    view: (value) => Object.hasOwn(flow.VIEWS, value),
  };

  let state = { ...DEFAULTS };
  let names = null;

  function rowsByName() {
    names ??= new Map(rows.map((row) => [rowName(row), row]));
    return names;
  }

  function hash() {
    const parts = Object.keys(DEFAULTS)
      .filter((key) => state[key] !== DEFAULTS[key])
      .map((key) => `${key}=${encodeURIComponent(state[key]).replace(/%(2F|2C|3A)/g, decodeURIComponent)}`);
    return "#explorer" + (parts.length ? `?${parts.join("&")}` : "");
  }

  function setBound() {
    const [norm, size] = state.within.split(":");
    bound = state.within ? { norm, size: Number(size) } : null;
    if (bound === null && state.outcome === "beyond") state.outcome = "";
  }

  const isOurs = (text) => /^#explorer(\?|$)/.test(text);

  /** Set the state from an address. Return what was ignored. */
  function read(text) {
    const ignored = [];
    state = { ...DEFAULTS };
    for (const [key, value] of new URLSearchParams(text.slice("#explorer".length))) {
      if (Object.hasOwn(VALID, key) && VALID[key](value)) state[key] = value;
      else if (value !== "") ignored.push(`${key}=${value}`);
    }
    setBound();
    return ignored;
  }

  let lastKind = "";

  /** Change the state. Small steps of one kind, such as those of a slider, make one entry of the history. */
  function change(changes, kind = "") {
    const before = { ...state };
    Object.assign(state, changes);
    setBound();
    if (FILTERS.some(({ key }) => state[key] !== before[key]) && !("at" in changes) && state.at) {
      const row = rowsByName().get(state.at);
      if (!FILTERS.every((filter) => state[filter.key] === "" || matches(filter, row))) Object.assign(state, { at: "", zero: "" });
    }
    if (kind && kind === lastKind) history.replaceState(null, "", hash());
    else if (hash() !== location.hash) history.pushState(null, "", hash());
    lastKind = kind;
    hint([]);
    update();
  }

  function hint(lines) {
    part("hint").hidden = lines.length === 0;
    part("hint").textContent = lines.join(" ");
  }

  /** Go to an address of the explorer, and say what in it is unknown. */
  function go(text, { scroll = false } = {}) {
    const ignored = read(text);
    lastKind = "";
    update();
    hint(ignored.length ? [`Not found here, so ignored: ${ignored.join(", ")}.`] : []);
    if (!scroll) return;
    const place = state.at && !wide.matches ? part("title") : document.getElementById("explorer-title");
    place.focus({ preventScroll: true });
    (place === part("title") ? part("detail") : place).scrollIntoView();
  }

  function follow(text) {
    if (text !== location.hash) history.pushState(null, "", text);
    go(text, { scroll: true });
  }

  // ---- Which rows match ----

  let list = []; // the rows that match, sorted
  let domain = []; // the same without the range of the sort key
  let counts = {}; // key of a filter -> option -> rows that match all other filters

  function inRange(value) {
    if (state.from === "" && state.to === "") return true;
    if (value === null) return false;
    return (state.from === "" || value >= Number(state.from)) && (state.to === "" || value <= Number(state.to));
  }

  function choose() {
    const active = FILTERS.filter(({ key }) => state[key] !== "");
    const sort = SORTS[state.sort];
    [list, domain] = [[], []];
    counts = Object.fromEntries(FILTERS.map(({ key }) => [key, new Map()]));
    for (const row of rows) {
      const failed = active.filter((filter) => !matches(filter, row));
      if (failed.length > 1) continue;
      const within = inRange(sort.of(row));
      if (failed.length === 0) domain.push(row);
      if (!within) continue;
      if (failed.length === 0) list.push(row);
      for (const filter of failed.length ? failed : FILTERS) {
        const add = (value) => counts[filter.key].set(value, (counts[filter.key].get(value) ?? 0) + 1);
        add(filter.of(row));
        add(""); // any
        if (filter.key === "source" && own(row)) add("own");
      }
    }
    const sign = state.order === "asc" ? 1 : -1;
    const keys = new Map(list.map((row) => [row, sort.of(row)]));
    list.sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (a - b);
    });
  }

  const current = () => (state.at ? rowsByName().get(state.at) : wide.matches ? list[0] : undefined);

  // ---- Filters ----

  function addFilters() {
    const form = part("filters");
    for (const filter of FILTERS.filter((each) => each.key !== "outcome" && useful(each))) {
      const many = filter.options.length > MANY;
      const id = `explorer-${filter.key}`;
      if (many) {
        filter.suggestions = element("datalist", { id: `${id}-options` });
        filter.control = element("input", { id, type: "search", autocomplete: "off", placeholder: "any" });
        filter.control.setAttribute("list", filter.suggestions.id);
      } else {
        filter.control = element("select", { id });
        filter.control.append(...["", ...filter.options].map((value) => element("option", { value })));
      }
      filter.control.addEventListener("change", () => {
        const value = filter.control.value;
        if (value === "" || VALID[filter.key](value)) change({ [filter.key]: value });
        else hint([`No ${filter.label.toLowerCase()} is called “${value}”. Choose one of the suggestions.`]);
      });
      const label = element("label", { className: "x-field", htmlFor: id }, element("span", {}, filter.label), filter.control);
      part("fields").append(label, ...(many ? [filter.suggestions] : []));
    }
    addChoice("outcomes", "outcome", ["", ...FILTERS.at(-1).options], () => [], "outcome");
    part("within").addEventListener("click", () => change({ within: "" }));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      change({ ...Object.fromEntries(FILTERS.map(({ key }) => [key, ""])), within: "", from: "", to: "" });
    });
  }

  /** Add radio buttons to a fieldset. text: of a value, a list of what the label contains. */
  function addChoice(place, key, values, text, kind = "") {
    for (const value of values) {
      const radio = element("input", { type: "radio", name: `explorer-${key}`, value });
      radio.addEventListener("change", () => change({ [key]: value }, kind));
      part(place).append(element("label", {}, radio, element("span", {}, ...text(value))));
    }
  }

  function check(place, value) {
    for (const radio of part(place).querySelectorAll("input")) radio.checked = radio.value === value;
  }

  function updateFilters() {
    for (const filter of FILTERS.filter(({ control }) => control)) {
      const one = (value) => counts[filter.key].get(value) ?? 0;
      const found = (value) => (value.includes(",") && filter.key === "attack" ? value.split(",").reduce((sum, each) => sum + one(each), 0) : one(value));
      const text = (value) => (value === "" ? "any" : isolated(filter.text ? filter.text(value) : value));
      if (filter.suggestions) {
        const some = filter.options.filter((value) => found(value) > 0);
        filter.suggestions.replaceChildren(
          ...some.map((value) => element("option", { value, label: `${isolated(value)} (${count(found(value))})` })),
        );
      } else {
        // A list of attacks, which a link can ask for, is an option of its own while it is chosen.
        const isList = (value) => filter.key === "attack" && value.includes(",");
        for (const option of [...filter.control.options]) if (isList(option.value)) option.remove();
        if (isList(state[filter.key])) filter.control.append(element("option", { value: state[filter.key] }));
        for (const option of filter.control.options) {
          option.textContent = `${text(option.value)} (${count(found(option.value))})`;
          option.disabled = option.value !== "" && option.value !== state[filter.key] && found(option.value) === 0;
        }
      }
      filter.control.value = state[filter.key];
      filter.control.classList.toggle("x-active", state[filter.key] !== "");
    }
    const active = FILTERS.filter(({ key, control }) => control && state[key] !== "");
    const set = active.map(({ key, label, text }) => `${label.toLowerCase()} ${isolated(text ? text(state[key]) : state[key])}`);
    part("folded-text").textContent = `Filters${set.length ? `: ${set.join(", ")}` : ""}`;
    for (const radio of part("outcomes").querySelectorAll("input")) {
      const found = counts.outcome.get(radio.value) ?? 0;
      const outcome = OUTCOMES[radio.value];
      radio.nextSibling.replaceChildren(
        ...(outcome ? [markOf(radio.value), ` ${outcome.text} `] : ["All "]), element("small", {}, count(found)),
      );
      radio.parentNode.hidden = radio.value === "beyond" && bound === null;
      radio.disabled = radio.value !== "" && radio.value !== state.outcome && found === 0;
    }
    check("outcomes", state.outcome);
    part("within").hidden = bound === null;
    const norms = { l2: "L2", linf: "L∞" };
    part("within").textContent = bound ? `Only perturbations within ${norms[bound.norm]} ${epsilonText(bound.size)} count ✕` : "";
    part("within").title = "Count perturbations of any size";
  }

  function markOf(outcome) {
    const mark = element("span", { className: `x-mark x-${outcome}`, textContent: OUTCOMES[outcome].mark });
    mark.setAttribute("aria-hidden", "true");
    return mark;
  }

  // ---- Sorting and the histogram ----

  let scale = null; // of the histogram: low, high

  function addOrder() {
    part("sort").append(...Object.entries(SORTS).map(([value, { text }]) => element("option", { value }, text)));
    part("order").addEventListener("submit", (event) => event.preventDefault());
    part("sort").addEventListener("change", () => change({ sort: part("sort").value, from: "", to: "" }));
    part("direction").addEventListener("click", () => change({ order: state.order === "asc" ? "desc" : "asc" }));
    for (const end of ["from", "to"]) {
      part(end).addEventListener("change", () => change({ [end]: part(end).value }, end));
    }
    part("unbrush").addEventListener("click", () => change({ from: "", to: "" }));
    addBrush(part("histogram"));
    if (rows.some(({ outcome }) => outcome === "target")) part("legend").textContent = "fooled or at its target";
  }

  function addBrush(svg) {
    let start = null;
    const valueAt = (event) => {
      const box = svg.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return Number((scale.low + share * (scale.high - scale.low)).toPrecision(4));
    };
    const brush = (event) => {
      const [from, to] = [start, valueAt(event)].sort((one, other) => one - other);
      change(from === to ? { from: "", to: "" } : { from: String(from), to: String(to) }, "brush");
    };
    svg.addEventListener("pointerdown", (event) => {
      if (!scale || scale.low === scale.high) return;
      svg.setPointerCapture(event.pointerId);
      start = valueAt(event);
      lastKind = "";
    });
    svg.addEventListener("pointermove", (event) => start !== null && brush(event));
    svg.addEventListener("pointerup", (event) => {
      if (start !== null) brush(event);
      start = null;
    });
    svg.addEventListener("pointercancel", () => (start = null));
  }

  function updateOrder() {
    const sort = SORTS[state.sort];
    part("sort").value = state.sort;
    part("direction").textContent = state.order === "asc" ? "↑ ascending" : "↓ descending";
    const values = domain.map((row) => [sort.of(row), row]).filter(([value]) => value !== null);
    const low = values.reduce((least, [value]) => Math.min(least, value), Infinity);
    const high = values.reduce((most, [value]) => Math.max(most, value), -Infinity);
    scale = values.length ? { low, high } : null;
    for (const end of ["from", "to"]) {
      part(end).value = state[end];
      part(end).placeholder = scale ? String(scale[end === "from" ? "low" : "high"]) : "";
      part(end).step = scale ? niceStep((high - low) / 50) : "any";
    }
    part("unbrush").disabled = state.from === "" && state.to === "";
    part("lowest").textContent = scale ? shown(low) : "";
    part("highest").textContent = scale ? shown(high) : "";
    part("axis").textContent = sort.text;
    drawHistogram(values);
  }

  function niceStep(step) {
    if (!(step > 0)) return "any";
    const power = 10 ** Math.floor(Math.log10(step));
    return String(Number(((step / power < 2 ? 1 : step / power < 5 ? 2 : 5) * power).toPrecision(2)));
  }

  function drawHistogram(values) {
    const svg = part("histogram");
    const bins = Array.from({ length: BINS }, () => ({ all: 0, fooled: 0 }));
    const span = scale ? scale.high - scale.low : 0;
    for (const [value, row] of values) {
      const bin = bins[span ? Math.min(BINS - 1, Math.floor(((value - scale.low) / span) * BINS)) : BINS >> 1];
      bin.all += 1;
      bin.fooled += ["fooled", "target"].includes(outcomeOf(row));
    }
    const tallest = Math.max(1, ...bins.map(({ all }) => all));
    const [width, height] = [400, 56];
    const rectangle = (kind, x, y, w, h) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ class: kind, x, y, width: w, height: h })) made.setAttribute(name, value);
      return made;
    };
    const bars = bins.flatMap(({ all, fooled }, at) => {
      const bar = (kind, from, to) => {
        const tall = ((to - from) / tallest) * height;
        return rectangle(kind, (at * width) / BINS + 0.5, height - (to / tallest) * height, width / BINS - 1, tall);
      };
      return [bar("x-bar-fooled", 0, fooled), bar("x-bar-other", fooled, all)];
    });
    const brushed = state.from !== "" || state.to !== "";
    const place = (text, end) => (text === "" || !span ? end : Math.min(width, Math.max(0, ((Number(text) - scale.low) / span) * width)));
    if (brushed) {
      const [from, to] = [place(state.from, 0), place(state.to, width)];
      bars.unshift(rectangle("x-brush", from, 0, Math.max(1, to - from), height));
      bars.push(rectangle("x-outside", 0, 0, from, height), rectangle("x-outside", to, 0, width - to, height));
    }
    svg.replaceChildren(...bars);
    const range = scale ? `, from ${scale.low} to ${scale.high}` : "";
    svg.setAttribute("aria-label", `Histogram of ${SORTS[state.sort].text}: ${plural(values.length, "image")}${range}`);
  }

  // ---- Thumbnails ----

  let pages = 1;
  let gridRows = []; // what the grid shows
  const whenSeen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        whenSeen.unobserve(target);
        paint(target, target.task);
      }
    },
    { rootMargin: "200px" },
  );

  /** Make a button with a picture that is painted when it is seen. */
  function thumbnail(row, label, ...lines) {
    const canvas = element("canvas");
    const { height, width } = data.datasets[row.set.dataset];
    Object.assign(canvas, { width, height, task: { judgement: row.number, row: row.row, what: "adversarial" } });
    canvas.setAttribute("aria-hidden", "true"); // the button has the name
    whenSeen.observe(canvas);
    const button = element("button", { type: "button", className: "x-thumbnail", row }, canvas, ...lines);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => open(row));
    return button;
  }

  function described(row) {
    const [label, made] = [className(row.victim, row.label), className(row.victim, row.made)];
    return `Test image ${testIndex(row)}, ${victimText(row)}, ${attackText(row)}: ${label}, predicted as ${made}. ${OUTCOMES[outcomeOf(row)].text}.`;
  }

  function gridThumbnail(row) {
    const names = [markOf(outcomeOf(row)), named(className(row.victim, row.label))];
    if (row.made !== row.label) names.push(element("span", {}, "→ ", named(className(row.victim, row.made))));
    const { short, of } = SORTS[state.sort];
    const below = short ? `${short} ${shown(of(row))}` : percent(row.judgement.confidence[row.row * row.judgement.width]);
    return thumbnail(row, described(row), element("span", { className: "x-names" }, ...names), element("small", {}, below));
  }

  function updateGrid() {
    const wanted = list.slice(0, pages * PAGE);
    const same = gridRows.sort === state.sort && gridRows.within === state.within && wanted.length >= gridRows.length && gridRows.every((row, at) => row === wanted[at]);
    if (!same) {
      part("grid").replaceChildren();
      whenSeen.disconnect();
      stripKey = ""; // its thumbnails are no longer observed
    }
    part("grid").append(...wanted.slice(part("grid").children.length).map((row) => element("li", {}, gridThumbnail(row))));
    gridRows = Object.assign(wanted, { sort: state.sort, within: state.within });
    const chosen = current();
    const thumbnails = [...part("grid").querySelectorAll("button")];
    const tabbable = thumbnails.find(({ row }) => row === chosen) ?? thumbnails[0];
    for (const button of thumbnails) {
      // One stop of the tab key; the arrows move within the grid.
      button.tabIndex = button === tabbable ? 0 : -1;
      if (button.row === chosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const left = list.length - wanted.length;
    part("more").hidden = left === 0;
    part("more").textContent = `Show ${Math.min(PAGE, left)} more`;
    const sets = data.judgements.filter((_, number) => judgementMatches(number));
    const stored = sets.reduce((sum, judgement) => sum + data.sets[judgement.set].stored, 0);
    part("status").textContent = list.length
      ? `Showing ${count(wanted.length)} of ${plural(list.length, "image")}; ${count(stored)} stored.`
      : `None of the images on this page matches. It holds the first ones of each set; ${count(stored)} are stored.`;
  }

  /** Whether the filters that concern victims and attacks let a judgement pass. */
  function judgementMatches(number) {
    const judgement = data.judgements[number];
    const row = { set: data.sets[judgement.set], victim: data.victims[judgement.victim] };
    const keys = ["dataset", "model", "defense", "seed", "source", "attack"];
    return FILTERS.filter(({ key }) => keys.includes(key) && state[key] !== "").every((filter) => matches(filter, row));
  }

  function open(row) {
    change({ at: rowName(row), zero: "" });
    if (wide.matches) return;
    part("title").focus({ preventScroll: true });
    part("detail").scrollIntoView();
  }

  /** Go to the image that is `by` places further in the list, and take the focus along within the grid. */
  function step(by) {
    const at = list.indexOf(current());
    const next = list[at < 0 ? 0 : at + by];
    if (next === undefined) return;
    const inGrid = part("grid").contains(document.activeElement);
    change({ at: rowName(next), zero: "" }, "step");
    const button = part("grid").querySelector("[aria-current]");
    if (inGrid) button?.focus();
    else if (wide.matches) button?.scrollIntoView({ block: "nearest" });
  }

  // ---- One image in detail ----

  let flickering = null;
  let flipped = false; // whether the adversarial image's place shows the clean one
  let stripKey = "";

  function addDetail() {
    addChoice("magnify", "magnify", MAGNIFY, (value) => [`×${value}`], "magnify");
    addChoice("view", "view", Object.keys(flow.VIEWS), (value) => [flow.VIEWS[value]], "view");
    part("previous").addEventListener("click", () => step(-1));
    part("next").addEventListener("click", () => step(1));
    part("flicker").addEventListener("click", flicker);
    part("back").addEventListener("click", () => {
      const button = part("grid").querySelector("[aria-current]") ?? part("grid").querySelector("button");
      button?.scrollIntoView({ block: "center" });
      button?.focus({ preventScroll: true });
    });
    part("epsilon").addEventListener("input", () => {
      const place = Number(part("epsilon").value);
      const series = seriesOf(current());
      if (place === 0) change({ at: rowName(current()), zero: "1" }, "epsilon");
      else change({ at: rowName(series[place - 1]), zero: "" }, "epsilon");
    });
    part("copy").addEventListener("click", copy);
  }

  function updateDetail() {
    const row = current();
    part("detail").hidden = row === undefined;
    root.classList.toggle("x-none", row === undefined);
    if (row === undefined) return stopFlicker();
    const at = list.indexOf(row);
    part("title").textContent = `Test image ${testIndex(row)}`;
    part("previous").disabled = at === 0;
    part("next").disabled = at === list.length - 1;
    updateVerdict(row);
    updateImages(row);
    check("magnify", state.magnify);
    updateSeries(row);
    fillBars(part("before"), row, row.victim, row.at);
    fillBars(part("after"), row, ...(state.zero ? [row.victim, row.at] : [row.judgement, row.row]));
    updateFlow(row);
    updateFacts(row);
    updateStrip(row);
    part("making").hidden = row.set.command === undefined;
    part("command").textContent = row.set.command ?? "";
    part("copy").textContent = "Copy";
    part("place").textContent =
      `The command makes the whole set. This image is row ${count(row.set.row[row.row])} of ${count(row.set.stored)}, counted from 0.`;
    return undefined;
  }

  function updateVerdict(row) {
    const [label, made] = [named(className(row.victim, row.label)), named(className(row.victim, row.made))];
    const outcome = outcomeOf(row);
    const said = {
      fooled: [label, " is taken for ", made],
      target: [label, " is taken for ", made, ", as the attack intended"],
      resisted: [label, " is still recognised"],
      beyond: [label, " is taken for ", made, ", but the change is larger than the bound"],
      before: [label, " is misclassified even without the attack"],
    };
    if (outcome === "fooled" && row.target >= 0) {
      said.fooled.push(", but the attack aimed at ", named(className(row.victim, row.target)));
    }
    const attacked = [element("span", { className: `x-${outcome}` }, markOf(outcome), ` ${OUTCOMES[outcome].text}: `), ...said[outcome]];
    const clean = ["Clean image, epsilon 0: ", ...prediction(row, row.victim, row.at)];
    part("verdict").replaceChildren(
      ...(state.zero ? clean : attacked), element("br"),
      element("span", { className: "x-small", textContent: `${victimText(row)} · ${state.zero ? attackName(row.set.attack) : attackText(row)}` }),
    );
  }

  function prediction(row, source, at) {
    const number = source.likely[at * source.width];
    const right = number === row.label;
    return [
      element("span", { className: `x-mark ${right ? "x-resisted" : "x-fooled"}`, textContent: right ? "✓" : "✗" }),
      " ", named(className(row.victim, number)), " ", element("small", {}, percent(source.confidence[at * source.width])),
    ];
  }

  function updateImages(row) {
    const what = state.zero || flipped ? "clean" : "adversarial";
    const task = { judgement: row.number, row: row.row };
    const label = className(row.victim, row.label);
    const draw = (name, options, text) => {
      part(name).setAttribute("aria-label", text);
      paint(part(name), { ...task, ...options });
    };
    draw("clean", { what: "clean" }, `Clean image of ${label}`);
    const magnify = state.zero ? 0 : Number(state.magnify);
    draw("perturbation", { what: "perturbation", magnify }, `Perturbation, magnified ${state.magnify} times; grey is unchanged`);
    draw("made", { what }, `${what === "clean" ? "Clean" : "Adversarial"} image of ${label}`);
    part("made-caption").textContent = flipped ? "Clean (flicker)" : state.zero ? "Epsilon 0: clean" : "Adversarial";
    part("clean-text").replaceChildren(...prediction(row, row.victim, row.at));
    part("made-text").replaceChildren(...(state.zero || flipped ? prediction(row, row.victim, row.at) : prediction(row, row.judgement, row.row)));
    part("perturbation-text").textContent = `×${state.magnify}, grey: unchanged`;
  }

  function stopFlicker() {
    clearInterval(flickering);
    flickering = null;
    flipped = false;
    part("flicker").setAttribute("aria-pressed", "false");
  }

  function flip() {
    flipped = !flipped;
    updateImages(current());
  }

  /** Start or stop to flicker. Whoever asked for less motion changes the image with each press. */
  function flicker() {
    if (current() === undefined) return;
    if (calm.matches) {
      flip();
      part("flicker").setAttribute("aria-pressed", String(flipped));
    } else if (flickering === null) {
      flickering = setInterval(flip, FLICKER);
      part("flicker").setAttribute("aria-pressed", "true");
      flip();
    } else {
      stopFlicker();
      updateImages(current());
    }
  }

  /** Return the rows of the same image in the same set, by epsilon. */
  function seriesOf(row) {
    const { set, number, target } = row;
    return rowsOfSameImage(row)
      .filter((each) => each.number === number && each.target === target && set.epsilon[each.row] !== null)
      .sort((one, other) => set.epsilon[one.row] - set.epsilon[other.row]);
  }

  function updateSeries(row) {
    const series = seriesOf(row);
    part("series").hidden = series.length < 2;
    if (series.length < 2) return;
    const steps = [
      { text: "0", made: row.clean, ...{ source: row.victim, at: row.at } },
      ...series.map((each) => ({ text: epsilonText(each.set.epsilon[each.row]), made: each.made, source: each.judgement, at: each.row })),
    ];
    const place = state.zero ? 0 : series.indexOf(row) + 1;
    const right = (at) => steps[at].made === row.label;
    const words = (at) => `${steps[at].text}: ${className(row.victim, steps[at].made)}, ${right(at) ? "correct" : "wrong"}`;
    Object.assign(part("epsilon"), { max: series.length, value: place });
    part("epsilon").setAttribute("aria-valuetext", words(place));
    part("epsilon-text").textContent = steps[place].text;
    const flips = steps.map((each, at) => at > 0 && each.made !== steps[at - 1].made);
    part("ticks").replaceChildren(
      ...steps.map((each, at) => {
        const named = steps.length <= 8 || flips[at] || at === 0 || at === steps.length - 1;
        const mark = element("b", { className: right(at) ? "x-resisted" : "x-fooled", textContent: right(at) ? "✓" : "✗" });
        return element("span", { className: flips[at] ? "x-flip" : "", title: words(at) }, mark, element("small", {}, named ? each.text : ""));
      }),
    );
    const changes = steps.flatMap((each, at) =>
      flips[at] ? [[" between ", steps[at - 1].text, " and ", each.text, " to ", named(className(row.victim, each.made))]] : []);
    part("flip").replaceChildren(
      ...(changes.length ? ["The prediction changes", ...changes.flatMap((each, at) => (at ? [",", ...each] : each)), "."]
        : ["The prediction is the same at every stored epsilon."]),
    );
  }

  function fillBars(place, row, source, at) {
    const bars = Array.from({ length: source.width }, (_, nth) => {
      const [number, perMille] = [source.likely[at * source.width + nth], source.confidence[at * source.width + nth]];
      const tags = [...(number === row.label ? ["true"] : []), ...(number === row.target ? ["target"] : [])];
      const bar = element("i", { className: number === row.label ? "x-bar-true" : "x-bar-class" });
      bar.style.width = `${perMille / 10}%`;
      return element(
        "li", {},
        element("span", { className: "x-class" }, named(className(row.victim, number)), ...tags.map((tag) => element("em", { textContent: tag }))),
        element("span", { className: "x-share", textContent: percent(perMille) }),
        element("span", { className: "x-track" }, bar),
      );
    });
    place.replaceChildren(...bars);
  }

  function updateFacts(row) {
    const fact = (name) => shown(measure(name)(row));
    const whole = (name) => count(measure(name)(row));
    const { full } = data.datasets[row.set.dataset];
    const facts = state.zero ? [["True class", named(className(row.victim, row.label))]] : [
      ["True class", named(className(row.victim, row.label))],
      ...(row.target >= 0 ? [["Target", named(className(row.victim, row.target))]] : []),
      ["L2", fact("l2")],
      ["L∞", fact("linf")],
      ["L0", `${whole("l0")} of ${count(full[0] * full[1])} pixels`],
      ["SSIM", fact("ssim")],
      ["Margin", shown(row.judgement.margin[row.row])],
      ...(row.set.flow_loss ? [["Flow loss", fact("flow_loss")]] : []),
      ["Iterations", whole("iterations")],
      ["Gradient evaluations", whole("gradient_evaluations")],
    ];
    part("facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  /** Show the same test image under all judgements, each with the row that is most like this one. */
  function updateStrip(row) {
    const epsilon = measure("epsilon");
    const key = `${row.set.dataset} ${row.image} ${epsilon(row)} ${row.target} ${state.within}`;
    if (key !== stripKey) {
      const like = (each) => (epsilon(each) === epsilon(row)) * 2 + (each.target === row.target);
      const best = new Map();
      for (const each of rowsOfSameImage(row)) {
        if (each === row || !best.has(each.number) || (best.get(each.number) !== row && like(each) > like(best.get(each.number)))) {
          best.set(each.number, each);
        }
      }
      part("elsewhere").replaceChildren(...[...best.values()].map((each) => thumbnail(each, described(each),
        element("span", { className: "x-names" }, markOf(outcomeOf(each)), named(className(each.victim, each.made))),
        element("small", { textContent: victimText(each), title: victimText(each) }),
        element("small", { textContent: attackText(each), title: attackText(each) }))));
      stripKey = key;
    }
    for (const button of part("elsewhere").children) {
      if (button.row === row) {
        button.setAttribute("aria-current", "true");
        part("elsewhere").scrollLeft = button.offsetLeft - part("elsewhere").clientWidth / 2 + button.clientWidth / 2;
      } else button.removeAttribute("aria-current");
    }
  }

  async function updateFlow(row) {
    part("flow").hidden = !row.set.flow;
    if (!row.set.flow) return;
    check("view", state.view);
    const canvas = part("flow-canvas");
    const drawn = await flow.draw(canvas, { judgement: row.number, row: row.row, view: state.view });
    if (drawn === undefined) return; // something else is drawn by now
    part("heat").hidden = state.view !== "magnitude";
    part("heat-text").textContent = `${drawn.longest.toFixed(2)} px`;
    part("flow-text").textContent = drawn.text;
    canvas.setAttribute("aria-label", `Flow, ${flow.VIEWS[state.view].toLowerCase()}. ${drawn.text}`);
  }

  async function copy() {
    const text = part("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
      part("copy").textContent = "Copied";
    } catch { // not allowed here: select it, so that Ctrl+C copies it
      getSelection().selectAllChildren(part("command"));
      part("copy").textContent = "Selected";
    }
  }

  // ---- Keys ----

  function inView() {
    const { top, bottom } = root.getBoundingClientRect();
    return top < window.innerHeight && bottom > 0;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    // The explorer's keys are those of the page only while nothing else has the focus.
    if (!root.contains(target) && !(target === document.body && inView())) return;
    const control = target.closest("input, select, textarea");
    if (control && !["radio", "range"].includes(control.type)) return;
    const columns = getComputedStyle(part("grid")).gridTemplateColumns.split(" ").length;
    const inGrid = part("grid").contains(target);
    const moves = { ArrowLeft: -1, ArrowRight: 1, ...(inGrid ? { ArrowUp: -columns, ArrowDown: columns } : {}) };
    if (event.key in moves && !control && !target.closest("pre, .x-wide")) {
      step(moves[event.key]);
    } else if (event.key.toLowerCase() === "f" && !event.repeat) {
      flicker();
    } else if (event.key === "?") {
      part("dialog").showModal();
    } else {
      return;
    }
    event.preventDefault();
  });

  // ---- All together ----

  let chosenBy = null; // the part of the state that the list depends on

  function update() {
    const was = current();
    const asked = [...FILTERS.map(({ key }) => key), "within", "sort", "order", "from", "to"].map((key) => state[key]).join("\n");
    if (asked !== chosenBy) {
      chosenBy = asked;
      choose();
      updateFilters();
      updateOrder();
      pages = 1;
    }
    // The grid reaches to the chosen image, unless that takes too many thumbnails.
    const needed = Math.ceil((list.indexOf(current()) + 1) / PAGE);
    if (needed <= REACH) pages = Math.max(pages, needed);
    if (current() !== was && flickering === null) stopFlicker();
    updateGrid();
    updateDetail();
  }

  function start() {
    if (rows.length === 0) return;
    part("tool").hidden = false;
    addFilters();
    addOrder();
    addDetail();
    part("more").addEventListener("click", () => {
      const first = part("grid").children.length;
      pages += 1;
      update();
      part("grid").children[first].firstChild.focus();
    });
    part("help").addEventListener("click", () => part("dialog").showModal());
    part("folded").hidden = !FILTERS.some(({ control }) => control);
    part("folded").open = wide.matches;
    wide.addEventListener("change", () => {
      part("folded").open = wide.matches; // where it has no summary, it could not be opened
      update();
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href^='#explorer']");
      if (!link || !isOurs(link.getAttribute("href")) || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      follow(link.getAttribute("href"));
    });
    // Without a hash, the page is as it was opened. Another hash belongs to another part of the page.
    window.addEventListener("hashchange", () => {
      // An address that was typed or pasted: the reader wants to see it.
      const { top, bottom } = root.getBoundingClientRect();
      const away = bottom < 0 || top > window.innerHeight;
      if (location.hash === "" || isOurs(location.hash)) go(location.hash || "#explorer", { scroll: away && location.hash !== "" });
    });
    if (isOurs(location.hash)) go(location.hash, { scroll: true });
    else update();
  }

  start();
})();
