/*
 * Two traces side by side: one slider, one choice of the stage that is shown. Each side is a player without controls.
 *
 * Both sides show the same step. The shorter one stays at its last step and says that it has ended.
 */

function mountCompare(el, { labels, players }, hooks = {}) {
  if (typeof DecompressionStream === "undefined") return mountPlayer(el, players[0]); // says so
  const steps = Math.max(...players.map((data) => data.steps));
  const said = labels.map(() => "");
  const controls = makeControls(el, steps, {
    step: Math.min(Math.max(hooks.step || 0, 0), steps - 1),
    onStep: (step, user) => {
      go(step);
      if (user && hooks.onStep) hooks.onStep(step);
    },
  });
  const sides = players.map((data, side) => {
    const [name, player] = [make("div.name"), make("div")];
    return { data, name, player, box: make("div.column-of-two", {}, name, player), label: labels[side] };
  });

  const stage = make("select", {}, ...STAGES.map(([name, heading]) => make("option", { value: name }, heading)));
  stage.value = "sharpened";
  const choose = () => {
    el.dataset.stage = stage.value;
    for (const side of sides) if (side.mounted) side.mounted.repaint();
  };
  stage.addEventListener("change", choose);
  if (players.some((data) => data.heads)) controls.bar.append(make("label", {}, "stage ", stage));
  const wide = players.filter((data) => data.window[1] < data.slots);
  if (wide.length) {
    const zoom = make("button", { type: "button", "aria-pressed": "false" }, "show all slots");
    zoom.addEventListener("click", () => {
      const all = zoom.getAttribute("aria-pressed") !== "true";
      zoom.setAttribute("aria-pressed", String(all));
      for (const side of sides) side.mounted.showAllSlots(all);
    });
    controls.bar.append(zoom);
  }

  el.classList.add("ntm-player", "ntm-compare");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", `Comparison of ${labels.join(" and ")}`);
  choose();
  el.replaceChildren(controls.bar, make("div.two", {}, ...sides.map((side) => side.box)),
    make("details.help", {}, make("summary", {}, "Keys and stages"), make("p", {}, KEYS),
      make("ul", {}, ...STAGES.map(([, heading, meaning]) => make("li", {}, make("b", {}, heading), `: ${meaning}`)))));
  sides.forEach((side, number) => {
    side.mounted = mountPlayer(side.player, side.data, {
      step: controls.step, controls: false, compact: true, label: `${side.label}. ${side.data.summary}`,
      onStep: (step) => { controls.slider.focus({ preventScroll: true }); controls.setStep(step, true); },
      onDraw: (words) => {
        said[number] = words && `${side.label}: ${words}`;
        controls.say(said.filter(Boolean).join(". "));
      },
    });
  });

  function go(step) {
    for (const { name, data, label, mounted } of sides) {
      name.textContent = step < data.steps ? label : `${label} (ended after step ${data.steps - 1})`;
      mounted.setStep(step);
    }
  }
  go(controls.step);
  const destroy = () => { controls.destroy(); for (const side of sides) side.mounted.destroy(); };
  return { setStep: (step) => controls.setStep(step), destroy, get step() { return controls.step; } };
}
