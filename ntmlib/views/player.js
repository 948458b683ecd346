/*
 * Step through what a Neural Turing Machine did with one sequence.
 *
 * Plain JavaScript without dependencies, used in two ways: as the module of a live notebook widget, and
 * inside a page without a kernel or a network. stepper.py adds the few lines that each of the two needs.
 *
 *   const player = mountPlayer(element, data, { step: 0, onStep: (step) => ... });
 *   player.setStep(12);  player.destroy();
 *
 * `data` is what PlayerData.to_dict() of player.py returns; unpack.js unpacks it. A picture that shows all steps at
 * once is painted when its size changes and never again: its time cursor is one CSS variable. A new step repaints
 * only the memory, the bars and the vectors.
 */

const STAGES = [ // name in the data, heading, what a reader should know about it
  ["content", "1 content", "slots that look like the key; a larger key strength insists on the best match (eq. 5)"],
  ["gated", "2 gated", "the gate mixes it with the head's last weighting, drawn in grey: 1 takes the content, 0 stays (eq. 7)"],
  ["shifted", "3 shifted", "moved by whole slots, wrapping at the ends (eq. 8)"],
  ["sharpened", "4 sharpened", "the blur of the shift undone: the weighting that is used (eq. 9)"],
];
const KINDS = { write: "write head", read: "read head" };
const KEYS = "Arrow keys: one step. Page up and page down: ten. Home and end: first and last. Space on the slider: play and pause.";

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
  const { bytes, zero } = array;
  for (let y = 0, pixel = 0; y < height; y++) {
    const [firstRow, endRow] = [Math.floor((y * rows) / height), ((y + 1) * rows) / height];
    for (let x = 0; x < width; x++, pixel += 4) {
      const [firstColumn, endColumn] = [Math.floor((x * columns) / width), ((x + 1) * columns) / width];
      let strongest = zero;
      for (let row = firstRow; row < endRow; row++)
        for (let column = firstColumn; column < endColumn; column++) {
          const byte = bytes[indexAt(row, column)];
          if (Math.abs(byte - zero) > Math.abs(strongest - zero)) strongest = byte;
        }
      for (let part = 0; part < 3; part++) image.data[pixel + part] = table[3 * strongest + part];
      image.data[pixel + 3] = alphaAt(firstColumn);
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
      if (value(row) * width < 0.25) continue; // of a large memory most rows
      const [top, length] = [Math.round((row * height) / rows), value(row) * width];
      const bottom = Math.max(top + 1, Math.round(((row + 1) * height) / rows) - gap);
      context.fillRect(leftwards ? width - length : 0, top, length, bottom - top);
    }
  }
}

/** Choose about five round positions along an axis of `count` cells that starts at `first` and wraps at `modulus`. */
function ticksOf(count, first = 0, modulus = Infinity) {
  const every = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 5000].find((size) => count / size <= 6.5) || count;
  const cells = Array.from({ length: count }, (_, cell) => ({ cell, label: (first + cell) % modulus }));
  return cells.filter(({ label }) => label % every === 0);
}

/**
 * Leave out labels that would stand on the one before: the pointer tells what they would. `pixels` is the size of a
 * cell, `reach(tick)` how far a label goes to either side of its middle.
 */
function apart(ticks, pixels, reach) {
  let free = -Infinity;
  return ticks.filter((tick) => {
    const middle = (tick.cell + 0.5) * pixels;
    if (middle - reach(tick) < free) return false;
    free = middle + reach(tick);
    return true;
  });
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

/** Count things in words. */
function counted(count, name) {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** 2nd, 3rd, 11th, 21st. */
function ordinal(number) {
  const ending = Math.floor((number % 100) / 10) === 1 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[number % 10] || "th";
  return `${number}${ending}`;
}

/** Show a number of steps or slots that one cell stands for. */
function range(name, first, count, end) {
  const last = Math.min(first + count, end) - 1;
  return last > first ? `${name}s ${first}\u2013${last}` : `${name} ${first}`;
}

function mountPlayer(el, data, hooks = {}) {
  const { steps, slots, width, heads, window: [firstUsed, numUsed], pooled: [stepsPooled, slotsPooled] } = data;
  if (typeof DecompressionStream === "undefined") { // browsers before 2023: the still picture stays
    el.append(make("p", {}, "This browser is too old to step through the trace."));
    return { setStep() {}, destroy() {} };
  }
  const store = openTrace(data);
  const tables = { unit: bytesOf(data.tables.unit), signed: bytesOf(data.tables.signed) };
  const paintAll = []; // run when sizes or slots shown change, and once at the beginning
  const paintPair = []; // run when the pair of heads changes, and with all of the above
  const paintStep = []; // run at every step
  const timedBoxes = []; // pictures with a time cursor
  let scrollText = () => {}; // makes the browser lay out the page, so it comes last
  const [numColumns, numRows] = [Math.ceil(steps / stepsPooled), Math.ceil(slots / slotsPooled)];
  let step = Math.min(Math.max(hooks.step || 0, 0), steps - 1);
  let now = {}; // the arrays that belong to the step drawn
  let pair = 0;
  let first = firstUsed, rowsShown = numUsed; // the slots in view, wrapping around
  let frame = 0;

  const slotAt = (row) => (first + row) % slots;
  const tableOf = (array) => (array.kind === "signed" ? tables.signed : tables.unit);
  const headName = (kind) => (heads > 1 ? `${KINDS[kind]} ${pair + 1}` : KINDS[kind]);
  const colours = { write: "", read: "", before: "" }; // of bars, from the style sheet: they follow the theme

  /** Where the values of the step drawn begin; of the selected head, if there is one for each head. */
  function base(name, ofHead = true) {
    const { shape } = data.detail[name];
    const size = shape.reduce((product, axis) => product * axis, 1);
    return now.frame * size + (ofHead ? (pair * size) / heads : 0);
  }
  const valueNow = (name, entry = 0) => now.arrays[name].value(base(name) + entry);
  const inMap = (column, head, row) => (column * heads + head) * numRows + Math.floor(slotAt(row) / slotsPooled);

  // ---- pictures: one canvas each, with labels along its axes and the value under the pointer --------------------

  const tip = make("div.tip", { "aria-hidden": "true" });

  /**
   * Add a picture of `array()`. `columns` and `rows()` count cells, `timed` ones have columns of time; `changes` is
   * when it must be painted; `where(row, column)` says in words what a cell is.
   */
  function picture({ label, array, rows, columns, indexAt, where, alphaAt, yTicks, timed, changes = paintAll, height, name = "map", silent }) {
    const canvas = make("canvas");
    const spoken = silent ? { "aria-hidden": "true" } : { role: "img", "aria-label": label };
    const box = make(`div.${name}${timed ? ".timed" : ""}`, spoken, canvas);
    const [left, below] = [make("div.left", { "aria-hidden": "true" }), make("div.below", { "aria-hidden": "true" })];
    if (timed) timedBoxes.push(box);
    if (height) box.style.height = `${height}px`;
    changes.push(() => { if (sizes.get(canvas)[0]) paintMap(canvas, array(), tableOf(array()), rows(), columns, indexAt, alphaAt); });
    paintAll.push(() => {
      const put = (axis, side, ticks, count) => axis.replaceChildren(...ticks.map(({ cell, label: text }) =>
        make("span", { style: `${side}:${((cell + 0.5) / count) * 100}%` }, String(text))));
      if (yTicks) put(left, "top", apart(yTicks(), canvas.clientHeight / rows(), () => 4.5), rows());
      if (timed) {
        const ticks = ticksOf(steps).map(({ cell, label: at }) => ({ cell, label: at ? String(at) : "step 0" }));
        put(below, "left", apart(ticks, canvas.clientWidth / steps, ({ label: text }) => 3 * text.length + 2), steps);
      }
    });
    const cellAt = (event) => {
      const area = canvas.getBoundingClientRect();
      const cell = (position, size, count) => Math.min(count - 1, Math.max(0, Math.floor((position / size) * count)));
      const [x, y] = [event.clientX - area.left, event.clientY - area.top];
      return [cell(y, area.height, rows()), cell(x, area.width, columns), cell(x, area.width, steps)];
    };
    box.addEventListener("pointermove", (event) => {
      const [row, column, time] = cellAt(event);
      if (timed && event.buttons & 1) byUser(time);
      if (array()) showTip(event, `${where(row, column)}: ${short(array().value(indexAt(row, column)), 3)}`);
    });
    box.addEventListener("pointerleave", () => tip.classList.remove("ntm-shown"));
    if (timed) box.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // no text selection while dragging
      box.setPointerCapture(event.pointerId);
      byUser(cellAt(event)[2]);
    });
    return { box, left, below };
  }

  /** Go to a step that was pointed at; the keyboard goes on from there. */
  function byUser(wanted) {
    if (controls) {
      controls.slider.focus({ preventScroll: true });
      controls.setStep(wanted, true);
    } else hooks.onStep(wanted);
  }

  function showTip(event, text) {
    const area = el.getBoundingClientRect();
    tip.textContent = text;
    tip.classList.add("ntm-shown");
    const x = Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth - 4);
    tip.style.transform = `translate(${Math.max(0, x)}px, ${event.clientY - area.top + 16}px)`;
  }

  /** Bars beside a map, for the current step; `layers(step)` as in paintBars. */
  function bars(layers, leftwards = false) {
    const canvas = make("canvas.bars", { "aria-hidden": "true" }); // the slider tells where the heads are
    paintStep.push(() => { if (sizes.get(canvas)[0]) paintBars(canvas, rowsShown, layers(), leftwards); });
    return canvas;
  }

  const weights = (kind, stage) => {
    const [array, from] = [now.arrays[`${kind}.${stage}`], base(`${kind}.${stage}`)];
    return (row) => array.value(from + slotAt(row));
  };

  /** Slot and size of the largest weight now. */
  function peakOf(kind, stage) {
    const name = `${kind}.${stage}`;
    const weighting = now.arrays[name].bytes.subarray(base(name), base(name) + slots);
    let slot = 0;
    for (let other = 1; other < slots; other++) if (weighting[other] > weighting[slot]) slot = other;
    return { slot, weight: weighting[slot] / 255 };
  }

  /** A vector of the selected head at the current step, one cell for each column of the memory. */
  function vector(name, label) {
    return picture({
      label, array: () => now.arrays && now.arrays[name], columns: width, rows: () => 1, name: "vector", changes: paintStep, silent: true,
      where: (_, column) => `${label}, column ${column}`, indexAt: (_, column) => base(name) + column,
    }).box;
  }

  // ---- what goes in and comes out -------------------------------------------------------------------------------

  function tape(name, title, names) {
    const scored = name === "inputs" || !data.scored ? undefined : (time) => (data.scored[time] ? 255 : 70);
    const { box, left, below } = picture({
      label: `${title}: channels by time`, array: () => store.whole[name], columns: steps, rows: () => names.length, timed: true,
      height: Math.max(20, Math.min(8 * names.length, hooks.compact ? 54 : 90)), alphaAt: scored,
      indexAt: (row, time) => time * names.length + row, where: (row, time) => `${names[row]}, step ${time}`,
      yTicks: () => ticksOfNames(names),
    });
    return make("div.tape", {}, make("div.title", {}, title), left, box, ...(name === lastTape ? [below] : []));
  }
  const lastTape = data.whole.targets ? "targets" : "outputs";
  const veil = data.scored ? " (faint: not scored)" : "";
  const score = data.score ? `: ${data.score}` : "";

  /** Symbols as text: a column for each step, with what was shown and below it what was expected to come next. */
  function ribbon({ names, shown, guesses, shares, came, nats }) {
    const percent = (share) => (share < 0.005 ? "<1 %" : `${Math.round(100 * share)} %`);
    const columns = shown.map((symbol, time) => make("div.column", { "data-step": time }, make("b", {}, names[symbol]),
      ...guesses[time].map((guess, rank) => make(guess === came[time] ? "i.came" : "i", { style: `--ntm-share:${shares[time][rank]}` }, names[guess]))));
    // A frame that moves, in a layer of its own: a mark on the column would make the browser paint all columns again.
    const cursor = make("div.cursor");
    const strip = make("div.ribbon", { "aria-hidden": "true" }, make("div.columns-of-text", {}, ...columns), cursor); // the words below say it for the current step
    strip.addEventListener("click", (event) => {
      const column = event.target.closest("[data-step]");
      if (column) byUser(Number(column.dataset.step));
    });
    const [reads, expects, outcome] = [make("p"), make("ol"), make("p")];
    const rows = guesses[0].map(() => {
      const row = { symbol: make("b"), level: make("i"), share: make("span") };
      expects.append(make("li", {}, row.symbol, make("span.gauge", {}, row.level), row.share));
      return row;
    });
    // Asking for sizes, or scrolling, at every step would make the browser lay out the page each time.
    let columnWidth = 0, stripWidth = 0, scrolled = 0;
    strip.addEventListener("scroll", () => { scrolled = strip.scrollLeft; });
    scrollText = () => { // brings the current column to the middle once it has left the middle half
      const place = (step + 0.5) * columnWidth;
      if (Math.abs(place - scrolled - stripWidth / 2) < stripWidth / 4) return;
      const wanted = Math.max(0, Math.min(place - stripWidth / 2, steps * columnWidth - stripWidth));
      if (wanted !== scrolled) strip.scrollLeft = scrolled = wanted;
    };
    paintAll.push(() => { [columnWidth, stripWidth, scrolled] = [columns[0].offsetWidth, strip.clientWidth, strip.scrollLeft]; });
    paintStep.push(() => {
      cursor.style.transform = `translateX(${100 * step}%)`;
      const before = shown.slice(Math.max(0, step - 24), step).map((symbol) => names[symbol]).join("");
      reads.replaceChildren("reads ", make("span", {}, before), make("b", {}, names[shown[step]]), " and expects");
      rows.forEach((row, rank) => {
        row.symbol.textContent = names[guesses[step][rank]];
        row.symbol.parentElement.classList.toggle("ntm-came", guesses[step][rank] === came[step]);
        row.level.style.width = `${100 * shares[step][rank]}%`;
        row.share.textContent = percent(shares[step][rank]);
      });
      words = `reads ${names[shown[step]]}, expects ${names[guesses[step][0]]}`;
      if (came[step] === null) outcome.textContent = "what came next is not asked for";
      else outcome.replaceChildren("came: ", make("b", {}, names[came[step]]), `, which cost ${short(nats[step])} nats (it had been given ${percent(Math.exp(-nats[step]))})`);
    });
    const labels = make("div.rows", { "aria-hidden": "true" }, make("b", {}, "reads"), ...rows.map((_, rank) => make("span", {}, rank ? "" : "expects")));
    return [make("div.title", {}, `read, and the ${rows.length} likeliest next${score}`),
      make("div.text", {}, labels, strip), make("div.words", {}, reads, expects, outcome)];
  }
  const tapes = data.symbols ? make("div.tapes.symbols", {}, ...ribbon(data.symbols)) : make("div.tapes", {},
    tape("inputs", "inputs", data.input_names), tape("outputs", `outputs, as probabilities${score}`, data.output_names));
  if (data.whole.targets) tapes.append(tape("targets", `targets${veil}`, data.output_names));

  // ---- the memory with the heads at its sides -------------------------------------------------------------------

  function memoryPanel() {
    const memory = picture({
      label: "memory at the current step: slots by columns", array: () => now.arrays && now.arrays.memory, columns: width, changes: paintStep,
      rows: () => rowsShown, indexAt: (row, column) => base("memory", false) + slotAt(row) * width + column,
      where: (row, column) => `slot ${slotAt(row)}, column ${column}`, yTicks: () => ticksOf(rowsShown, first, slots),
    });
    const title = make("div.title");
    paintStep.push(() => {
      const shown = Math.floor(step / data.every) * data.every;
      title.textContent = `memory after step ${shown}${shown === step ? "" : ` (kept: every ${ordinal(data.every)})`}`;
    });
    const flow = (text, kind) => make(`span.flow.${kind}`, {}, text);
    return make("div.memory", {}, title,
      flow("erase", "write"), vector("erase", "erase vector"), flow("add", "write"), vector("add", "add vector"),
      make("div.side", {}, memory.left, bars(() => [[weights("write", "sharpened"), colours.write]], true)),
      memory.box, bars(() => [[weights("read", "sharpened"), colours.read]]),
      flow("read", "read"), vector("read_vector", "read vector"),
      flow("writes here", "write"), make("div.axis.middle", {}, `${width} columns`), flow("reads here", "read"));
  }

  /** What a network without a memory has instead: the numbers it carries from step to step. */
  function cellPanels() {
    const names = Object.keys(data.whole).filter((name) => name.startsWith("cell."));
    return make("div.units", {}, ...names.map((name, layer) => {
      const [rows] = data.whole[name].shape;
      const columns = data.whole[name].frames;
      const title = names.length > 1 ? `cells of layer ${layer + 1}` : "cells";
      const { box, left, below } = picture({
        label: `${title}: ${data.units} units by time`, array: () => store.whole[name], columns, rows: () => rows, timed: true,
        indexAt: (row, column) => column * rows + row, yTicks: () => ticksOf(data.units),
        where: (row, column) => `${range("unit", row * slotsPooled, slotsPooled, data.units)}, ${range("step", column * stepsPooled, stepsPooled, steps)}`,
      });
      return make("div.tape.unit-map", {}, make("div.title", {}, title), left, box, ...(layer === names.length - 1 ? [below] : []));
    }));
  }

  // ---- the four stages of a head --------------------------------------------------------------------------------

  /** The numbers a stage was given at the current step: elements. */
  function given(kind, stage) {
    const text = make("span");
    const number = (name) => valueNow(`${kind}.${name}`);
    if (stage === "content") {
      paintStep.push(() => { text.textContent = `strength ${short(number("key_strength"))}`; });
      return [make("span", {}, "key"), vector(`${kind}.key`, `key of the ${KINDS[kind]}`), text];
    }
    if (stage === "gated") {
      const level = make("i");
      paintStep.push(() => {
        const gate = number("interpolation_gate");
        text.textContent = `gate ${short(gate)}`;
        level.style.width = `${100 * gate}%`;
      });
      return [text, make("span.gauge", {}, level)];
    }
    if (stage === "shifted") {
      const offsets = data.detail[`${kind}.shift_weighting`].shape[1];
      const reach = (offsets - 1) / 2;
      const columns = Array.from({ length: offsets }, () => make("i"));
      const named = (offset) => (offset > 0 ? `+${offset}` : short(offset, 0));
      paintStep.push(() => {
        const moves = columns.map((_, i) => valueNow(`${kind}.shift_weighting`, i));
        const best = moves.indexOf(Math.max(...moves));
        columns.forEach((column, i) => { column.style.height = `${100 * moves[i]}%`; });
        text.textContent = `${named(best - reach)}: ${short(moves[best])}`;
        text.parentElement.title = moves.map((weight, i) => `shift ${named(i - reach)}: ${short(weight)}`).join("\n");
      });
      return [make("span", {}, "shift"), make("span.columns", {}, ...columns), text];
    }
    paintStep.push(() => { text.textContent = `sharpening ${short(number("sharpening"))}`; });
    return [text];
  }

  function stagePanel(kind, [stage, heading, meaning]) {
    const { box, left, below } = picture({
      label: `${KINDS[kind]}: ${heading} weighting, slots by time`, array: () => store.whole[`${kind}.${stage}`],
      columns: numColumns, rows: () => rowsShown, timed: true, changes: paintPair, indexAt: (row, column) => inMap(column, pair, row),
      where: (row, column) => `${whereSlot(row)}, ${range("step", column * stepsPooled, stepsPooled, steps)}`,
      yTicks: () => ticksOf(rowsShown, first, slots),
    });
    const layers = () => [
      ...(stage === "gated" ? [[weights(kind, "before"), colours.before]] : []),
      [weights(kind, stage), colours[kind]],
    ];
    const [name, peak] = [make("div.title", { title: meaning }), make("div.peak", { title: "largest weight now" })];
    paintPair.push(() => { name.textContent = `${headName(kind)}: ${heading}`; });
    paintStep.push(() => { peak.textContent = short(peakOf(kind, stage).weight); });
    return make(`div.stage.${kind}.${stage}`, {}, name, make("div.axis", { "aria-hidden": "true" }, "slot"), make("div.given", {}, ...given(kind, stage)), left, box,
      bars(layers), below, peak);
  }
  const whereSlot = (row) => range("slot", Math.floor(slotAt(row) / slotsPooled) * slotsPooled, slotsPooled, slots);

  // ---- controls -------------------------------------------------------------------------------------------------

  let words = ""; // what is attended at the step drawn
  const controls = hooks.controls === false ? null : makeControls(el, steps, {
    step,
    onStep: (to, user) => { setStep(to); if (user && hooks.onStep) hooks.onStep(to); },
  });
  const bar = controls ? controls.bar : make("div.controls");
  const zoom = numUsed < slots && !hooks.compact ? make("button", { type: "button", "aria-pressed": "false" }, `show all ${slots} slots`) : null;
  if (zoom) {
    bar.append(zoom);
    zoom.addEventListener("click", () => showAllSlots(rowsShown < slots));
  }
  function showAllSlots(all) {
    [first, rowsShown] = all ? [0, slots] : [firstUsed, numUsed];
    if (zoom) zoom.setAttribute("aria-pressed", String(all));
    repaintAll();
  }

  const pairs = make("div.pairs", { role: "group", "aria-label": "head pair shown below" });
  for (let head = 0; heads > 1 && head < heads; head++) {
    const button = make("button", { type: "button", "aria-pressed": String(head === pair) }, make("span", {}, `pair ${head + 1}`));
    for (const kind of Object.keys(KINDS)) {
      const { box } = picture({
        array: () => store.whole[`${kind}.sharpened`], columns: numColumns, rows: () => rowsShown,
        indexAt: (row, column) => inMap(column, head, row), name: "thumb", silent: true,
        where: (row, column) => `${KINDS[kind]} ${head + 1}, ${whereSlot(row)}, ${range("step", column * stepsPooled, stepsPooled, steps)}`,
      });
      button.append(make(`span.${kind}`, {}, kind, box));
    }
    button.addEventListener("click", () => {
      pair = head;
      [...pairs.children].forEach((other, i) => other.setAttribute("aria-pressed", String(i === pair)));
      for (const paint of paintPair) paint();
      repaint();
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
  const scales = [];
  if (heads) {
    const { limit } = data.detail.memory;
    scales.push(scale("0", tables.unit, "1", data.symbols ? "weightings, erase" : "weightings, inputs, outputs, erase"),
      scale(short(-limit), tables.signed, short(limit), "memory, add, read; a key has its own largest value"),
      make("span", {}, "Bars: the current step, full width = 1, with the largest weight below; in grey the weighting one step before."));
  } else {
    const { limit } = data.whole["cell.0"];
    scales.push(scale("0", tables.unit, "1", "inputs, outputs"), scale(short(-limit), tables.signed, short(limit), "cells"));
  }
  if (stepsPooled > 1 || slotsPooled > 1) scales.push(make("span", {},
    `A long trace: a cell of the pictures over time shows the strongest of ${counted(stepsPooled, "step")} and ${counted(slotsPooled, heads ? "slot" : "unit")}.`));
  if (data.every > 1) scales.push(make("span", {},
    `Memory, bars, keys and numbers: every ${ordinal(data.every)} step is kept in this page. Shown live in a notebook, every step is.`));
  const help = make("details.help", {}, make("summary", {}, heads ? "Keys and stages" : "Keys"), make("p", {}, KEYS),
    ...(heads ? [make("ul", {}, ...STAGES.map(([, heading, meaning]) => make("li", {}, make("b", {}, heading), `: ${meaning}`)))] : []));
  const legend = make("div.legend", {}, ...scales, ...(hooks.compact ? [] : [help]));

  // ---- time -----------------------------------------------------------------------------------------------------

  function repaint() {
    frame = 0;
    for (const box of timedBoxes) box.style.setProperty("--ntm-step", step);
    if (!store.whole) return;
    const found = store.at(step);
    if (!found) {
      store.open(step).then(repaintSoon, fail);
      return; // until then the picture of the last step stays
    }
    now = found;
    for (const paint of paintStep) paint();
    store.ahead(step);
    if (heads) {
      const at = Object.keys(KINDS).map((kind) => {
        const { slot, weight } = peakOf(kind, "sharpened");
        return `${headName(kind)} ${weight < 0.1 ? "spread out, at most" : `at slot ${slot}, weight`} ${short(weight)}`;
      });
      if (!data.symbols) words = at.join("; ");
    }
    if (controls) controls.say(words);
    if (hooks.onDraw) hooks.onDraw(words);
    scrollText();
  }

  function repaintSoon() {
    frame = frame || requestAnimationFrame(repaint);
  }

  function repaintAll() {
    for (const canvas of el.querySelectorAll("canvas")) measure(canvas);
    const style = getComputedStyle(el); // at every step it would make the browser style the page each time
    for (const name in colours) colours[name] = style.getPropertyValue(`--ntm-${name}`).trim();
    if (!store.whole) return;
    for (const paint of paintAll) paint();
    for (const paint of paintPair) paint();
    repaint();
  }

  function setStep(wanted) {
    const next = Math.min(Math.max(Math.round(wanted), 0), steps - 1);
    if (next === step) return;
    step = next;
    repaintSoon();
  }

  function fail(error) {
    el.append(make("p", { role: "alert" }, "The trace in this page cannot be unpacked: the file may be damaged."));
    throw error;
  }

  // ---- put it all together --------------------------------------------------------------------------------------

  el.classList.add("ntm-player", ...(hooks.compact ? ["ntm-compact"] : []));
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", hooks.label || `Step-through. ${data.summary}`);
  el.style.setProperty("--ntm-steps", steps);
  const stages = Object.keys(KINDS).map((kind) => make("div.stages", {}, ...(heads ? STAGES.map((stage) => stagePanel(kind, stage)) : [])));
  el.replaceChildren(...(controls || zoom ? [bar] : []), make("div.top", {}, tapes, heads ? memoryPanel() : cellPanels()),
    ...(heads > 1 ? [pairs] : []), ...(heads ? [make("div.heads", {}, ...stages)] : []), legend, tip);
  const observer = new ResizeObserver(([entry]) => {
    el.classList.toggle("ntm-narrow", entry.contentRect.width < 700);
    repaintAll();
  });
  store.open(step).then(() => observer.observe(el), fail); // observing reports the size at once
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", repaintAll);
  const theme = new MutationObserver(repaintAll); // JupyterLab's
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const destroy = () => { observer.disconnect(); theme.disconnect(); dark.removeEventListener("change", repaintAll); cancelAnimationFrame(frame); if (controls) controls.destroy(); };
  const follow = (wanted) => (controls ? controls.setStep(wanted) : setStep(wanted));
  return { setStep: follow, showAllSlots, repaint: repaintAll, destroy, get step() { return step; } };
}
