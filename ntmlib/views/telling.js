/*
 * Tell the kernel what was turned, at once and then ten times a second at most.
 *
 * Each message costs JupyterLab about ten milliseconds of its one thread, and would hold up the picture that follows
 * a slider while it is dragged. The last state is always told.
 */

function makeTeller(model, pause = 100) {
  let resting = null, waiting = false;
  function tell() {
    waiting = false;
    model.save_changes();
    resting = setTimeout(() => { resting = null; if (waiting) tell(); }, pause);
  }
  return () => { if (resting === null) tell(); else waiting = true; };
}
