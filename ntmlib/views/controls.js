/*
 * Time for a player or for two: a slider, a play button, keys, and words for those who hear the page.
 *
 * The slider says each step it is moved to, with what is attended there (`say(words)`). The status line speaks only
 * when somebody pressed something that the slider does not tell: never at each step while it plays.
 */

function makeControls(el, steps, { step = 0, onStep }) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const slider = make("input.slider", { type: "range", min: 0, max: steps - 1, step: 1, value: step, "aria-label": "time step" });
  const play = make("button.play", { type: "button" });
  const now = make("div.now");
  const status = make("div.unseen", { role: "status" });
  const bar = make("div.controls", {}, play, slider, now, status);
  let timer = null;

  const position = () => `step ${step} of ${steps - 1}`;
  function say(words = "") {
    slider.setAttribute("aria-valuetext", position() + (words && `: ${words}`));
  }
  function setStep(wanted, byUser = false) {
    const next = Math.min(Math.max(Math.round(wanted), 0), steps - 1);
    if (next === step) return;
    step = next;
    slider.value = step;
    now.textContent = position();
    onStep(step, byUser);
  }
  function setPlaying(playing) {
    clearInterval(timer);
    const pause = still.matches ? 500 : Math.min(160, Math.max(50, 8000 / steps)); // milliseconds a step
    timer = playing ? setInterval(() => (el.isConnected && step < steps - 1 ? setStep(step + 1, true) : stop()), pause) : null;
    play.replaceChildren(make("span", { "aria-hidden": "true" }, playing ? "❚❚ " : "▶ "), playing ? "Pause" : "Play");
  }
  function stop() {
    setPlaying(false);
    status.textContent = `stopped at ${position()}`;
  }
  function toggle() {
    if (timer !== null) return stop();
    if (step === steps - 1) setStep(0, true);
    status.textContent = "playing";
    setPlaying(true);
  }

  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => setStep(Number(slider.value), true));
  const onKey = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, summary")) return;
    if (event.key === " " && event.target === slider) toggle();
    else {
      const to = { ArrowRight: step + 1, ArrowUp: step + 1, ArrowLeft: step - 1, ArrowDown: step - 1,
        PageUp: step + 10, PageDown: step - 10, Home: 0, End: steps - 1 }[event.key];
      if (to === undefined) return;
      setStep(to, true);
    }
    event.preventDefault();
    event.stopPropagation(); // a notebook would move to another cell
  };
  el.addEventListener("keydown", onKey);
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves our keys alone
  now.textContent = position();
  setPlaying(false);
  say();
  const destroy = () => { setPlaying(false); el.removeEventListener("keydown", onKey); };
  return { bar, slider, status, setStep, say, destroy, get step() { return step; } };
}
