/*
 * Tell the kernel what was turned, at once and then ten times a second at most.
 *
 * Each message costs JupyterLab about ten milliseconds of its one thread, and would hold up the picture that follows
 * a slider while it is dragged. The last state is always told. Until then the model keeps what was told before: the
 * kernel echoes each message, and a view whose model were ahead would jump back to the echo.
 */

function makeTeller(model, pause = 100) {
  let resting = null, waiting = null;
  function tell(state) {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    model.save_changes();
    resting = setTimeout(() => {
      const last = waiting;
      resting = waiting = null;
      if (last) tell(last);
    }, pause);
  }
  return (state) => { if (resting === null) tell(state); else waiting = state; };
}
