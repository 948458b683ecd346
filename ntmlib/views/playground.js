/*
 * The what-if panel: nine knobs, the memory as a table, and the weighting of one head after each stage as bars.
 *
 * The five small functions below are those of ntmlib.machine.addressing once more, so that bars follow a knob at once
 * and in a page without a kernel too; a test holds them to the library's numbers. Constants come from there.
 * The bars are plain page elements: the page's own theme and zoom apply.
 */

const sum = (values) => values.reduce((total, value) => total + value, 0);
const softmax = (values) => {
  const most = Math.max(...values);
  const parts = values.map((value) => Math.exp(value - most));
  return parts.map((part) => part / sum(parts));
};
/** Scale a vector to length one (eq. 6). */
const unitLength = (vector, floor) => vector.map((value) => value / Math.sqrt(sum(vector.map((each) => each * each)) + floor));

/** The shift weighting: a bell over the offsets -1, 0 and +1, or without blur the nearest two. */
function shiftBell(centre, blur) {
  const distances = [-1, 0, 1].map((offset) => offset - centre);
  if (blur < 0.05) return distances.map((distance) => Math.max(0, 1 - Math.abs(distance)));
  return softmax(distances.map((distance) => -(distance * distance) / (2 * blur * blur)));
}

/** What a head looks for, and its weighting after each stage (eq. 5 to 9). */
function addressing(knobs, { memory, noise, floors }, previous) {
  const slots = memory.length;
  const key = noise.map((extra, i) =>
    (1 - knobs.mix) * memory[knobs.look_for][i] + knobs.mix * memory[knobs.mix_with][i] + knobs.noise * extra);
  const wanted = unitLength(key, floors.squared_norm);
  const similarity = memory.map((row) => sum(unitLength(row, floors.squared_norm).map((value, i) => value * wanted[i])));
  const content = softmax(similarity.map((value) => knobs.key_strength * value));
  const gate = knobs.interpolation_gate;
  const gated = content.map((value, slot) => gate * value + (1 - gate) * previous[slot]);
  const moves = shiftBell(knobs.shift_centre, knobs.shift_blur);
  const shifted = gated.map((_, slot) => sum(moves.map((move, i) => move * gated[(slot - (i - 1) + slots) % slots])));
  const sharpened = softmax(shifted.map((value) => knobs.sharpening * Math.log(value + floors.weight)));
  return { key, moves, rows: [previous, content, gated, shifted, sharpened] };
}

const tag = (name, className, ...children) => {
  const element = document.createElement(name);
  element.className = className;
  element.append(...children);
  return element;
};

/** `hooks.onChange({ knobs, previous })` hears of every turn of a knob and every step. */
function mountPlayground(el, data, hooks = {}) {
  const knobs = { ...data.knobs };
  let { previous } = data;
  let steps = 0, telling = null;
  const colours = Uint8Array.from(atob(data.table), (character) => character.charCodeAt(0));
  const colour = (value) => { // -1 to 1
    const at = 3 * Math.round(Math.min(1, Math.max(-1, value)) * 127.5 + 127.5);
    return `rgb(${colours[at]}, ${colours[at + 1]}, ${colours[at + 2]})`;
  };
  const cells = (row) => row.map((value, column) => {
    const cell = tag("i", "");
    cell.style.background = colour(value);
    cell.title = `column ${column}: ${value.toFixed(2)}`;
    return cell;
  });

  const sliders = data.ranges.map(([name, label, low, high, notch]) => {
    const [slider, shown] = [tag("input", ""), tag("span", "ntmp-value")];
    Object.assign(slider, { type: "range", min: low, max: high, step: notch, value: knobs[name] });
    const show = () => {
      const text = notch < 1 ? Number(slider.value).toFixed(2) : slider.value;
      shown.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    };
    slider.addEventListener("input", () => {
      knobs[name] = Number(slider.value);
      show();
      update();
    });
    show();
    return { name, slider, show, row: tag("label", "ntmp-knob", tag("span", "", label), slider, shown) };
  });
  const [again, back] = [tag("button", "", "step again"), tag("button", "", "start over")];
  again.type = back.type = "button";
  again.title = "the weighting becomes the previous one";
  again.addEventListener("click", () => {
    previous = addressing(knobs, data, previous).rows[4];
    steps += 1;
    update();
  });
  back.addEventListener("click", () => {
    previous = data.start;
    steps = 0;
    update();
  });

  const key = tag("div", "ntmp-row");
  const memory = tag("div", "ntmp-memory", ...data.memory.map((row, slot) =>
    tag("div", "ntmp-row", tag("span", "", String(slot)), ...cells(row))));
  const panels = data.stages.map(([heading, meaning]) => {
    const bars = data.memory.map(() => tag("div", "ntmp-bar", tag("i", ""), tag("b", "")));
    const list = tag("div", "ntmp-bars", ...bars);
    list.setAttribute("role", "img");
    return { heading, bars, list, panel: tag("div", "ntmp-stage", tag("div", "ntmp-title", heading), tag("div", "ntmp-meaning", meaning), list) };
  });
  const table = tag("div", "ntmp-stage", tag("div", "ntmp-title", "key, memory"), key, memory);
  table.setAttribute("role", "img");
  table.setAttribute("aria-label", `a memory of ${data.memory.length} slots, and the key that is looked for`);
  const [count, status] = [tag("span", "ntmp-count"), tag("p", "ntmp-status")];
  status.setAttribute("role", "status");

  function update(tell = true) {
    const found = addressing(knobs, data, previous);
    key.replaceChildren(tag("span", "", "key"), ...cells(found.key));
    panels.forEach(({ heading, bars, list }, stage) => {
      const weights = found.rows[stage];
      weights.forEach((weight, slot) => {
        const [bar, number] = bars[slot].children;
        bar.style.width = `${100 * weight}%`;
        number.textContent = weight >= 0.005 ? weight.toFixed(2) : "";
        const inside = weight > 0.7; // the number stands on a long bar, beside a short one
        const [side, distance] = inside ? ["right", 1 - weight] : ["left", weight];
        number.style.cssText = `${side}: calc(${100 * distance}% + 3px); ${inside ? "color: white" : ""}`;
        bars[slot].title = `${heading}, slot ${slot}: ${weight.toFixed(4)}`;
      });
      list.setAttribute("aria-label", `${heading}: ${largest(weights)}`);
    });
    count.textContent = `steps taken: ${steps}; shift weighting −1: ${found.moves[0].toFixed(2)}, 0: ${found.moves[1].toFixed(2)}, +1: ${found.moves[2].toFixed(2)}`;
    clearTimeout(telling); // said once a knob has come to rest
    telling = tell ? setTimeout(() => { status.textContent = `weighting: ${largest(found.rows[4])}`; }, 700) : null;
    if (tell && hooks.onChange) hooks.onChange({ knobs: { ...knobs }, previous });
  }
  function largest(weights) {
    const most = Math.max(...weights);
    return `most at slot ${weights.indexOf(most)}, ${most.toFixed(2)}`;
  }

  el.classList.add("ntm-playground");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "What if: the weighting of a head after each stage of the addressing");
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves our keys alone
  el.replaceChildren(tag("div", "ntmp-knobs", ...sliders.map(({ row }) => row)), tag("div", "ntmp-buttons", again, back, count),
    tag("div", "ntmp-panels", table, ...panels.map(({ panel }) => panel)), status);
  update(false);
  const set = (changed) => {
    if (Object.keys(knobs).every((name) => changed[name] === knobs[name])) return;
    Object.assign(knobs, changed);
    for (const { name, slider, show } of sliders) {
      slider.value = knobs[name];
      show();
    }
    update(false);
  };
  return { set, destroy: () => clearTimeout(telling), weightings: () => addressing(knobs, data, previous).rows };
}
