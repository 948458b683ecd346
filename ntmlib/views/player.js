/*
 * Step through what a Neural Turing Machine did with one sequence.
 *
 * Plain JavaScript without dependencies, used in two ways: as the module of a live notebook widget, and
 * inside a page without a kernel or a network. stepper.py adds the few lines that each of the two needs.
 *
 *   const player = mountPlayer(element, data, { step: 0, controls: true, onStep: (step) => ... });
 *   player.setStep(12);  player.destroy();
 *
 * `data` is what PlayerData.to_dict() of player.py returns. A picture that shows all steps at once is painted
 * when its size changes and never again: its time cursor is one CSS variable. A new step repaints only the
 * memory, the bars and the vectors.
 */

const STAGES = [ // name in the data, heading, what a reader should know about it
  ["content", "1 content", "slots that look like the key; a larger key strength insists on the best match (eq. 5)"],
  ["gated", "2 gated", "the gate mixes it with the head's last weighting, drawn in grey: 1 takes the content, 0 stays (eq. 7)"],
  ["shifted", "3 shifted", "moved by whole slots, wrapping at the ends (eq. 8)"],
  ["sharpened", "4 sharpened", "the blur of the shift undone: the weighting that is used (eq. 9)"],
];
const KINDS = { write: "write head", read: "read head" };

/** Unpack base64 bytes: a zero is followed by how many there are; each frame is the difference from the last. */
function decodeArray({ shape, signed, limit, data }) {
  const packed = bytesOf(data);
  const bytes = new Uint8Array(shape.reduce((product, axis) => product * axis, 1));
  const frame = bytes.length / shape[0];
  for (let i = 0, at = 0; i < packed.length; i++) {
    if (packed[i] === 0) at += packed[++i];
    else bytes[at++] = packed[i];
  }
  for (let at = frame; at < bytes.length; at++) bytes[at] += bytes[at - frame]; // wraps at 256, as in Python
  const value = (i) => (signed ? ((bytes[i] - 128) / 127) * limit : bytes[i] / 255);
  return { bytes, shape, frame, signed, limit, value };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Make an element: `make("div.name", { attribute: value }, ...children)`. */
function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.className = classes.map((part) => `ntm-${part}`).join(" ");
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Format a number in few characters, with a real minus sign. */
function short(number, digits = 2) {
  return (Math.abs(number) >= 100 ? number.toFixed(0) : number.toFixed(digits)).replace("-", "\u2212");
}

/** Sizes on the screen, in device pixels. Asking the browser at every step would make it lay out the page each time. */
const sizes = new WeakMap();

function measure(canvas) {
  const scale = window.devicePixelRatio || 1;
  sizes.set(canvas, [Math.max(1, Math.round(canvas.clientWidth * scale)), Math.max(1, Math.round(canvas.clientHeight * scale))]);
}

/** Give a canvas so many pixels; asking for the same again would clear it for nothing. */
function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
}

/**
 * Paint a table of values, one pixel each; CSS stretches the pixels. Where there are more values than
 * pixels on the screen, a pixel shows the strongest of those it covers, so that no thin line gets lost.
 */
function paintMap(canvas, array, table, rows, columns, indexAt, alphaAt = () => 255) {
  const [screenWidth, screenHeight] = sizes.get(canvas);
  const [width, height] = [Math.min(columns, screenWidth), Math.min(rows, screenHeight)];
  resize(canvas, width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const zero = array.signed ? 128 : 0;
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel += 4) {
      let strongest = zero;
      for (let row = Math.floor((y * rows) / height); row < ((y + 1) * rows) / height; row++)
        for (let column = Math.floor((x * columns) / width); column < ((x + 1) * columns) / width; column++) {
          const byte = array.bytes[indexAt(row, column)];
          if (Math.abs(byte - zero) > Math.abs(strongest - zero)) strongest = byte;
        }
      for (let part = 0; part < 3; part++) image.data[pixel + part] = table[3 * strongest + part];
      image.data[pixel + 3] = alphaAt(Math.floor((x * columns) / width));
    }
  }
  context.putImageData(image, 0, 0);
}

/** Draw distributions as horizontal bars, one row per slot, the full width being 1. Layers: [value(row), colour]. */
function paintBars(canvas, rows, layers, leftwards = false) {
  const [width, height] = sizes.get(canvas);
  resize(canvas, width, height);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const gap = height / rows > 4 ? 1 : 0;
  for (const [value, colour] of layers) {
    context.fillStyle = colour;
    for (let row = 0; row < rows; row++) {
      const [top, length] = [Math.round((row * height) / rows), value(row) * width];
      const bottom = Math.max(top + 1, Math.round(((row + 1) * height) / rows) - gap);
      if (length >= 0.25) context.fillRect(leftwards ? width - length : 0, top, length, bottom - top);
    }
  }
}

/** Choose about five round positions along an axis of `count` cells that starts at `first` and wraps at `modulus`. */
function ticksOf(count, first = 0, modulus = Infinity) {
  const every = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 5000].find((size) => count / size <= 6.5) || count;
  const cells = Array.from({ length: count }, (_, cell) => ({ cell, label: (first + cell) % modulus }));
  return cells.filter(({ label }) => label % every === 0);
}

/** Label channels by name; "bit 0", "bit 1" ... become one label "bit 0–7" in the middle. */
function ticksOfNames(names) {
  const ticks = [];
  names.forEach((name, cell) => {
    const [, stem, number] = name.match(/^(.*\D)(\d+)$/) || [];
    const last = ticks.at(-1);
    if (last && stem !== undefined && last.stem === stem && last.to + 1 === Number(number)) {
      Object.assign(last, { cell: last.cell + 0.5, to: Number(number), label: `${stem}${last.from}–${number}` });
    } else ticks.push({ cell, label: name, stem, from: Number(number), to: Number(number) });
  });
  return ticks;
}

function mountPlayer(el, data, hooks = {}) {
  const { steps, slots, width, heads, window: [firstUsed, numUsed] } = data;
  const arrays = Object.fromEntries(Object.entries(data.arrays).map(([name, packed]) => [name, decodeArray(packed)]));
  const tables = { unit: bytesOf(data.tables.unit), signed: bytesOf(data.tables.signed) };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const lastFrame = Math.floor((steps - 1) / data.memory_every);
  const paintAll = []; // run when sizes, head pair or slots shown change
  const paintStep = []; // run at every step
  let step = Math.min(Math.max(hooks.step || 0, 0), steps - 1);
  let pair = 0;
  let first = firstUsed, rowsShown = numUsed; // the slots in view, wrapping around
  let timer = null, frame = 0;

  const slotAt = (row) => (first + row) % slots;
  const inWeighting = (time, head, row) => (time * heads + head) * slots + slotAt(row);
  const tableOf = (array) => (array.signed ? tables.signed : tables.unit);
  const headName = (kind) => (heads > 1 ? `${KINDS[kind]} ${pair + 1}` : KINDS[kind]);
  const colours = { write: "", read: "", before: "" }; // of bars, from the style sheet: they follow the theme

  // ---- pictures: one canvas each, with labels along its axes and the value under the pointer --------------------

  const tip = make("div.tip", { role: "status" });

  /** Add a picture. `columns` and `rows` count cells; `where(row, column)` says in words what a cell is. */
  function picture({ label, array, rows, columns, indexAt, where, alphaAt, yTicks, timed, live, height, name = "map" }) {
    const canvas = make("canvas");
    const box = make(`div.${name}${timed ? ".timed" : ""}`, { role: "img", "aria-label": label }, canvas);
    const [left, below] = [make("div.left"), make("div.below")];
    if (height) box.style.height = `${height}px`;
    const repaint = () => paintMap(canvas, array, tableOf(array), rows(), columns, indexAt, alphaAt);
    paintAll.push(() => {
      repaint();
      const put = (axis, side, ticks, count) => axis.replaceChildren(...ticks.map(({ cell, label: text }) =>
        make("span", { style: `${side}:${((cell + 0.5) / count) * 100}%` }, String(text))));
      if (yTicks) put(left, "top", yTicks(), rows());
      if (timed) put(below, "left", ticksOf(steps).map(({ cell, label: at }) => ({ cell, label: at ? at : "step 0" })), steps);
    });
    if (live) paintStep.push(repaint);
    const cellAt = (event) => {
      const area = canvas.getBoundingClientRect();
      const cell = (position, size, count) => Math.min(count - 1, Math.max(0, Math.floor((position / size) * count)));
      return [cell(event.clientY - area.top, area.height, rows()), cell(event.clientX - area.left, area.width, columns)];
    };
    box.addEventListener("pointermove", (event) => {
      const [row, column] = cellAt(event);
      if (timed && event.buttons & 1) setStep(column, true);
      showTip(event, `${where(row, column)}: ${short(array.value(indexAt(row, column)), 3)}`);
    });
    box.addEventListener("pointerleave", () => tip.classList.remove("ntm-shown"));
    if (timed) box.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // no text selection while dragging
      box.setPointerCapture(event.pointerId);
      (slider || el).focus({ preventScroll: true });
      setStep(cellAt(event)[1], true);
    });
    return { box, left, below };
  }

  function showTip(event, text) {
    const area = el.getBoundingClientRect();
    tip.textContent = text;
    tip.classList.add("ntm-shown");
    const x = Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth - 4);
    tip.style.transform = `translate(${Math.max(0, x)}px, ${event.clientY - area.top + 16}px)`;
  }

  /** Bars beside a map, for the current step; `layers(step)` as in paintBars. */
  function bars(label, layers, leftwards = false) {
    const canvas = make("canvas.bars", { role: "img", "aria-label": label });
    paintStep.push(() => paintBars(canvas, rowsShown, layers(), leftwards));
    return canvas;
  }

  const weights = (kind, stage) => (row) => arrays[`${kind}.${stage}`].value(inWeighting(step, pair, row));
  const weightsBefore = (kind) => (row) => (step > 0
    ? arrays[`${kind}.sharpened`].value(inWeighting(step - 1, pair, row))
    : arrays[`${kind}.initial`].value(inWeighting(0, pair, row)));

  /** A vector of the selected head at the current step, one cell for each column of the memory. */
  function vector(name, label) {
    const array = arrays[name];
    return picture({
      label, array, columns: width, rows: () => 1, name: "vector", live: true, where: (_, column) => `${label}, column ${column}`,
      indexAt: (_, column) => (step * heads + pair) * width + column,
    }).box;
  }

  // ---- what goes in and comes out -------------------------------------------------------------------------------

  function tape(name, title, names) {
    const array = arrays[name];
    const scored = name === "inputs" || !data.scored ? undefined : (time) => (data.scored[time] ? 255 : 70);
    const { box, left, below } = picture({
      label: `${title}: channels by time`, array, columns: steps, rows: () => names.length, timed: true,
      height: Math.max(20, Math.min(8 * names.length, 90)), alphaAt: scored,
      indexAt: (row, time) => time * names.length + row, where: (row, time) => `${names[row]}, step ${time}`,
      yTicks: () => ticksOfNames(names),
    });
    return make("div.tape", {}, make("div.title", {}, title), left, box, ...(name === lastTape ? [below] : []));
  }
  const lastTape = arrays.targets ? "targets" : "outputs";
  const veil = data.scored ? " (faint: not scored)" : "";
  const score = data.score ? `: ${data.score}` : "";

  /** Symbols as text: a column for each step, with what was shown and below it what was expected to come next. */
  function ribbon({ names, shown, guesses, shares, came, nats }) {
    const percent = (share) => (share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);
    const columns = shown.map((symbol, time) => make("div.column", { "data-step": time }, make("b", {}, names[symbol]),
      ...guesses[time].map((guess, rank) => make(guess === came[time] ? "i.came" : "i", { style: `--ntm-share:${shares[time][rank]}` }, names[guess]))));
    const strip = make("div.ribbon", { "aria-hidden": "true" }, ...columns); // the words below say it for the current step
    strip.addEventListener("click", (event) => {
      const column = event.target.closest("[data-step]");
      if (!column) return;
      (slider || el).focus({ preventScroll: true });
      setStep(Number(column.dataset.step), true);
    });
    const [reads, expects, outcome] = [make("p"), make("ol"), make("p")];
    const rows = guesses[0].map(() => {
      const row = { symbol: make("b"), level: make("i"), share: make("span") };
      expects.append(make("li", {}, row.symbol, make("span.gauge", {}, row.level), row.share));
      return row;
    });
    let marked = null;
    const follow = () => { strip.scrollLeft = marked.offsetLeft + marked.offsetWidth / 2 - strip.clientWidth / 2; };
    paintAll.push(() => { if (marked) follow(); });
    paintStep.push(() => {
      if (marked) marked.classList.remove("ntm-current");
      marked = columns[step];
      marked.classList.add("ntm-current");
      follow();
      const before = shown.slice(Math.max(0, step - 24), step).map((symbol) => names[symbol]).join("");
      reads.replaceChildren("reads ", make("span", {}, before), make("b", {}, names[shown[step]]), " and expects");
      rows.forEach((row, rank) => {
        row.symbol.textContent = names[guesses[step][rank]];
        row.symbol.parentElement.classList.toggle("ntm-came", guesses[step][rank] === came[step]);
        row.level.style.width = `${100 * shares[step][rank]}%`;
        row.share.textContent = percent(shares[step][rank]);
      });
      if (came[step] === null) outcome.textContent = "what came next is not asked for";
      else outcome.replaceChildren("came: ", make("b", {}, names[came[step]]), `, which cost ${short(nats[step])} nats (it had been given ${percent(Math.exp(-nats[step]))})`);
    });
    const labels = make("div.rows", { "aria-hidden": "true" }, make("b", {}, "reads"), ...rows.map((_, rank) => make("span", {}, rank ? "" : "expects")));
    return [make("div.title", {}, `read, and the ${rows.length} likeliest next${score}`),
      make("div.text", {}, labels, strip), make("div.words", {}, reads, expects, outcome)];
  }
  const tapes = data.symbols ? make("div.tapes.symbols", {}, ...ribbon(data.symbols)) : make("div.tapes", {},
    tape("inputs", "inputs", data.input_names), tape("outputs", `outputs, as probabilities${score}`, data.output_names));
  if (arrays.targets) tapes.append(tape("targets", `targets${veil}`, data.output_names));

  // ---- the memory with the heads at its sides -------------------------------------------------------------------

  const memory = picture({
    label: "memory at the current step: slots by columns", array: arrays.memory, columns: width, live: true, rows: () => rowsShown,
    indexAt: (row, column) =>
      (Math.min(Math.floor(step / data.memory_every), lastFrame) * slots + slotAt(row)) * width + column,
    where: (row, column) => `slot ${slotAt(row)}, column ${column}`,
    yTicks: () => ticksOf(rowsShown, first, slots),
  });
  const memoryTitle = make("div.title");
  paintStep.push(() => {
    const shown = Math.floor(step / data.memory_every) * data.memory_every;
    memoryTitle.textContent = shown === step ? `memory after step ${step}` : `memory after step ${shown} (every ${data.memory_every}th is kept)`;
  });
  const flow = (text, kind) => make(`span.flow.${kind}`, {}, text);
  const memoryPanel = make("div.memory", {}, memoryTitle,
    flow("erase", "write"), vector("erase", "erase vector"), flow("add", "write"), vector("add", "add vector"),
    make("div.side", {}, memory.left, bars("write weighting now", () => [[weights("write", "sharpened"), colours.write]], true)),
    memory.box, bars("read weighting now", () => [[weights("read", "sharpened"), colours.read]]),
    flow("read", "read"), vector("read_vector", "read vector"),
    flow("writes here", "write"), make("div.axis.middle", {}, `${width} columns`), flow("reads here", "read"));

  // ---- the four stages of a head --------------------------------------------------------------------------------

  /** The numbers a stage was given at the current step: [element, update]. */
  function given(kind, stage) {
    const numbers = data.numbers[kind];
    const text = make("span");
    if (stage === "content") {
      paintStep.push(() => { text.textContent = `strength ${short(numbers.key_strength[step][pair])}`; });
      return [make("span", {}, "key"), vector(`${kind}.key`, `key of the ${KINDS[kind]}`), text];
    }
    if (stage === "gated") {
      const level = make("i");
      paintStep.push(() => {
        const gate = numbers.interpolation_gate[step][pair];
        text.textContent = `gate ${short(gate)}`;
        level.style.width = `${100 * gate}%`;
      });
      return [text, make("span.gauge", {}, level)];
    }
    if (stage === "shifted") {
      const reach = (numbers.shift_weighting[0][0].length - 1) / 2;
      const columns = numbers.shift_weighting[0][0].map(() => make("i"));
      paintStep.push(() => {
        const moves = numbers.shift_weighting[step][pair];
        const best = moves.indexOf(Math.max(...moves));
        const named = (offset) => (offset > 0 ? `+${offset}` : short(offset, 0));
        columns.forEach((column, i) => { column.style.height = `${100 * moves[i]}%`; });
        text.textContent = `${named(best - reach)}: ${short(moves[best])}`;
        text.parentElement.title = moves.map((weight, i) => `shift ${named(i - reach)}: ${short(weight)}`).join("\n");
      });
      return [make("span", {}, "shift"), make("span.columns", {}, ...columns), text];
    }
    paintStep.push(() => { text.textContent = `sharpening ${short(numbers.sharpening[step][pair])}`; });
    return [text];
  }

  function stagePanel(kind, [stage, heading, meaning]) {
    const array = arrays[`${kind}.${stage}`];
    const { box, left, below } = picture({
      label: `${KINDS[kind]}: ${heading} weighting, slots by time`, array, columns: steps, rows: () => rowsShown, timed: true,
      indexAt: (row, time) => inWeighting(time, pair, row), where: (row, time) => `slot ${slotAt(row)}, step ${time}`,
      yTicks: () => ticksOf(rowsShown, first, slots),
    });
    const layers = () => [
      ...(stage === "gated" ? [[weightsBefore(kind), colours.before]] : []),
      [weights(kind, stage), colours[kind]],
    ];
    const [name, peak] = [make("div.title", { title: meaning }), make("div.peak")];
    paintAll.push(() => { name.textContent = `${headName(kind)}: ${heading}`; });
    paintStep.push(() => {
      const start = inWeighting(step, pair, 0) - slotAt(0);
      const now = array.bytes.subarray(start, start + slots);
      const most = Math.max(...now);
      peak.textContent = short(most / 255);
      peak.title = `largest weight now, at slot ${now.indexOf(most)}`;
    });
    return make(`div.stage.${kind}`, {}, name, make("div.axis", {}, "slot"), make("div.given", {}, ...given(kind, stage)), left, box,
      bars(`${heading} weighting now`, layers), below, peak);
  }
  const stages = Object.keys(KINDS).map((kind) => make("div.stages", {}, ...STAGES.map((stage) => stagePanel(kind, stage))));

  // ---- controls -------------------------------------------------------------------------------------------------

  const slider = hooks.controls === false ? null : make("input.slider", { type: "range", min: 0, max: steps - 1, step: 1, "aria-label": "time step" });
  const play = make("button.play", { type: "button" });
  const now = make("output.now");
  const controls = make("div.controls");
  if (slider) controls.append(play, slider);
  controls.append(now);
  if (numUsed < slots) {
    const zoom = make("button", { type: "button", "aria-pressed": "false" }, `show all ${slots} slots`);
    zoom.addEventListener("click", () => {
      const all = rowsShown < slots;
      [first, rowsShown] = all ? [0, slots] : [firstUsed, numUsed];
      zoom.setAttribute("aria-pressed", String(all));
      repaintAll();
    });
    controls.append(zoom);
  }

  const pairs = make("div.pairs", { role: "group", "aria-label": "head pair shown below" });
  for (let head = 0; heads > 1 && head < heads; head++) {
    const button = make("button", { type: "button", "aria-pressed": String(head === pair) }, make("span", {}, `pair ${head + 1}`));
    for (const kind of Object.keys(KINDS)) {
      const { box } = picture({
        label: `${KINDS[kind]} ${head + 1}, slots by time`, array: arrays[`${kind}.sharpened`], columns: steps,
        rows: () => rowsShown, indexAt: (row, time) => inWeighting(time, head, row), name: "thumb",
        where: (row, time) => `${KINDS[kind]} ${head + 1}, slot ${slotAt(row)}, step ${time}`,
      });
      button.append(make(`span.${kind}`, {}, kind, box));
    }
    button.addEventListener("click", () => {
      pair = head;
      [...pairs.children].forEach((other, i) => other.setAttribute("aria-pressed", String(i === pair)));
      repaintAll();
    });
    pairs.append(button);
  }

  // ---- legend ---------------------------------------------------------------------------------------------------

  function scale(low, table, high, text) {
    const canvas = make("canvas", { width: 128, height: 1 });
    const image = canvas.getContext("2d").createImageData(128, 1);
    for (let x = 0; x < 128; x++) image.data.set([...table.subarray(6 * x, 6 * x + 3), 255], 4 * x);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return make("span.scale", {}, low, canvas, `${high}  ${text}`);
  }
  const limit = arrays.memory.limit;
  const legend = make("div.legend", {},
    scale("0", tables.unit, "1", data.symbols ? "weightings, erase" : "weightings, inputs, outputs, erase"),
    scale(short(-limit), tables.signed, short(limit), "memory, add, read; a key has its own largest value"),
    make("span", {}, "Bars: the current step, full width = 1, with the largest weight below; in grey the weighting one step before."));

  // ---- time -----------------------------------------------------------------------------------------------------

  function repaint() {
    frame = 0;
    const style = getComputedStyle(el);
    for (const name in colours) colours[name] = style.getPropertyValue(`--ntm-${name}`).trim();
    el.style.setProperty("--ntm-step", step);
    for (const paint of paintStep) paint();
    now.textContent = `step ${step} of ${steps - 1}`;
    if (!slider) return;
    slider.value = step;
    slider.setAttribute("aria-valuetext", `step ${step} of ${steps - 1}`);
  }

  function repaintAll() {
    for (const canvas of el.querySelectorAll("canvas")) measure(canvas);
    for (const paint of paintAll) paint();
    repaint();
  }

  function setStep(wanted, byUser = false) {
    const next = Math.min(Math.max(Math.round(wanted), 0), steps - 1);
    if (next === step) return;
    step = next;
    frame = frame || requestAnimationFrame(repaint);
    if (byUser && hooks.onStep) hooks.onStep(step);
  }

  function setPlaying(playing) {
    clearInterval(timer);
    const pause = still.matches ? 500 : Math.min(160, Math.max(50, 8000 / steps)); // milliseconds a step
    timer = playing ? setInterval(() => (el.isConnected && step < steps - 1 ? setStep(step + 1, true) : setPlaying(false)), pause) : null;
    play.textContent = playing ? "❚❚ Pause" : "▶ Play";
  }

  play.addEventListener("click", () => {
    if (timer === null && step === steps - 1) setStep(0, true);
    setPlaying(timer === null);
  });
  if (slider) slider.addEventListener("input", () => setStep(Number(slider.value), true));
  const onKey = (event) => {
    const to = { ArrowRight: step + 1, ArrowUp: step + 1, ArrowLeft: step - 1, ArrowDown: step - 1,
      PageUp: step + 10, PageDown: step - 10, Home: 0, End: steps - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
    setStep(to, true);
  };
  el.addEventListener("keydown", onKey);

  // ---- put it all together --------------------------------------------------------------------------------------

  el.classList.add("ntm-player");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", `Step-through. ${data.summary}`);
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves our keys alone
  if (!slider) el.tabIndex = 0;
  el.style.setProperty("--ntm-steps", steps);
  el.replaceChildren(controls, make("div.top", {}, tapes, memoryPanel), ...(heads > 1 ? [pairs] : []), ...stages, legend, tip);
  setPlaying(false);
  const observer = new ResizeObserver(([entry]) => {
    el.classList.toggle("ntm-narrow", entry.contentRect.width < 700);
    repaintAll();
  });
  observer.observe(el);
  const destroy = () => { setPlaying(false); observer.disconnect(); cancelAnimationFrame(frame); el.removeEventListener("keydown", onKey); };
  return { setStep, destroy, get step() { return step; } };
}
