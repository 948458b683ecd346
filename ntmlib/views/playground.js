/*
 * The what-if panel: the memory as a table, and the weighting of one head after each stage as bars.
 *
 * Everything is computed by the library in the kernel and arrives as rows of numbers:
 *   stages = [[heading, meaning, weights], ...], memory = rows of numbers, table = colours for them.
 * The bars are plain page elements, so that the page's own theme and zoom apply.
 */

const tag = (name, className, ...children) => {
  const element = document.createElement(name);
  element.className = className;
  element.append(...children);
  return element;
};

export default {
  render({ model, el }) {
    el.classList.add("ntm-playground");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", "Weighting of a head after each stage of the addressing");
    const colours = Uint8Array.from(atob(model.get("table")), (character) => character.charCodeAt(0));
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

    const key = tag("div", "ntmp-row");
    const memory = tag("div", "ntmp-memory", ...model.get("memory").map((row, slot) =>
      tag("div", "ntmp-row", tag("span", "", String(slot)), ...cells(row))));
    const panels = model.get("stages").map(([heading, meaning, weights]) => {
      const bars = weights.map((_, slot) => tag("div", "ntmp-bar", tag("i", ""), tag("b", "")));
      const title = tag("div", "ntmp-title", heading);
      title.title = meaning;
      const panel = tag("div", "ntmp-stage", title, tag("div", "ntmp-meaning", meaning), tag("div", "ntmp-bars", ...bars));
      return { panel, bars };
    });
    el.append(
      tag("div", "ntmp-stage", tag("div", "ntmp-title", "key, memory"), key, memory),
      ...panels.map(({ panel }) => panel),
    );

    function update() {
      key.replaceChildren(tag("span", "", "key"), ...cells(model.get("key")));
      model.get("stages").forEach(([heading, , weights], stage) => weights.forEach((weight, slot) => {
        const bar = panels[stage].bars[slot];
        bar.firstChild.style.width = `${100 * weight}%`;
        bar.lastChild.textContent = weight >= 0.005 ? weight.toFixed(2) : "";
        const inside = weight > 0.7; // the number stands on a long bar, beside a short one
        const [side, distance] = inside ? ["right", 1 - weight] : ["left", weight];
        bar.lastChild.style.cssText = `${side}: calc(${100 * distance}% + 3px); ${inside ? "color: white" : ""}`;
        bar.title = `${heading}, slot ${slot}: ${weight.toFixed(4)}`;
      }));
    }
    model.on("change:stages change:key", update);
    update();
    return () => model.off("change:stages change:key", update);
  },
};
