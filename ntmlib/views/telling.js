/*
 * Tell the kernel what was turned, at once and then ten times a second at most; hear what it, or a linked widget, sets.
 *
 * Each message costs JupyterLab about ten milliseconds of its one thread, and would hold up the picture that follows
 * a slider while it is dragged. The last state is always told. Until then the model keeps what was told before: the
 * kernel echoes each message, and a view whose model were ahead would jump back to the echo.
 *
 * `follow()` is called when somebody else has changed the trait `name`; a turn that waits to be told is older, and
 * forgotten.
 */

function makeTeller(model, name, follow, pause = 100) {
  let resting = null, waiting = null, telling = false;
  function tell(state) {
    telling = true;
    for (const [trait, value] of Object.entries(state)) model.set(trait, value);
    telling = false;
    model.save_changes();
    resting = setTimeout(rested, pause);
  }
  function rested() {
    const last = waiting;
    resting = waiting = null;
    if (last) tell(last);
  }
  function listen() {
    if (telling) return;
    waiting = null;
    follow();
  }
  model.on(`change:${name}`, listen);
  return {
    tell(state) { if (resting === null) tell(state); else waiting = state; },
    /** Tell what still waits, and listen no more. */
    end() {
      model.off(`change:${name}`, listen);
      clearTimeout(resting);
      if (waiting) rested();
      clearTimeout(resting);
    },
  };
}
