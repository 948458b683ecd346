"""A slider with a name: those of ipywidgets have none that a screen reader could say."""

import anywidget
import traitlets

SCRIPT = """
export default {
  render({ model, el }) {
    const [row, slider, shown] = ["label", "input", "span"].map((name) => document.createElement(name));
    slider.type = "range";
    const follow = () => {
      for (const name of ["min", "max", "step", "value"]) slider[name] = model.get(name);
      const text = String(Number(slider.value));
      shown.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    };
    slider.addEventListener("input", () => {
      model.set("value", Number(slider.value));
      model.save_changes();
    });
    model.on("change", follow);
    row.append(model.get("description"), slider, shown);
    el.classList.add("ntm-named-slider");
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves our keys alone
    el.append(row);
    follow();
    return () => model.off("change", follow);
  },
};
"""
STYLE = """
.ntm-named-slider label { display: flex; align-items: center; gap: 8px; min-width: 300px; padding: 2px 4px;
  color: var(--jp-widgets-label-color, inherit); font-size: var(--jp-widgets-font-size, 13px); }
.ntm-named-slider input { flex: 1; margin: 0; accent-color: #0072b2; }
.ntm-named-slider span { min-width: 36px; font-variant-numeric: tabular-nums; }
[data-jp-theme-light="false"] .ntm-named-slider input { accent-color: #5cb6f2; }
"""


class NamedSlider(anywidget.AnyWidget):
    """A slider whose name and value are said. ``value`` stays within ``min`` and ``max``."""

    _esm = SCRIPT
    _css = STYLE
    description = traitlets.Unicode().tag(sync=True)
    min = traitlets.Float().tag(sync=True)
    max = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    value = traitlets.Float().tag(sync=True)

    @traitlets.validate("value")
    def _within(self, proposal: traitlets.Bunch) -> float:
        return float(min(max(proposal["value"], self.min), self.max))
