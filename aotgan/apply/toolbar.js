// The painter's buttons: names, keys, icons (paths in a square of 16) and the elements they become.

const TOOLS = [
  ["brush", "Brush", "B",
    "M13.5 2.5 7 9M7 9c-2-.6-3.5.5-3.7 2-.1 1-.6 1.7-1.3 2 3 .9 6 .2 6-2.5L7 9"],
  ["erase", "Eraser", "E", "M6.5 13H14M3 9.5 9.5 3 13 6.5 6.5 13h-1L3 10.5zM6 6.5 9.5 10"],
  ["box", "Rectangle", "R", "M2.5 4h11v8h-11z"],
  ["lasso", "Lasso", "L",
    "M6 11.5C3.5 11 2 9.5 2 7.5 2 5 4.7 3 8 3s6 2 6 4.5S11.3 12 8 12c0 2-2 2.5-3 1.5-1-1.2.5-2.7 3-1.5"],
  ["pan", "Move", "H",
    "M8 2v12M2 8h12M6.5 3.5 8 2l1.5 1.5M6.5 12.5 8 14l1.5-1.5M3.5 6.5 2 8l1.5 1.5M12.5 6.5 14 8l-1.5 1.5"],
];
const EDITS = [
  ["undo", "Undo", "Ctrl Z", "M5.5 3 2.5 6l3 3M2.5 6H9a3.5 3.5 0 0 1 0 7H6"],
  ["redo", "Redo", "Ctrl Shift Z", "M10.5 3l3 3-3 3M13.5 6H7a3.5 3.5 0 0 0 0 7h3"],
  ["invert", "Invert", "I", "M2.5 2.5h11v11h-11zM2.5 13.5l11-11M6 10.5h3M5 5.5h2.5M6.2 4.2v2.6"],
  ["clear", "Clear", "Delete", "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 9h6l.5-9"],
];
const VIEWS = [
  ["smaller", "Zoom out", "−", "M3 8h10"],
  ["larger", "Zoom in", "+", "M3 8h10M8 3v10"],
  ["fit", "Fit to window", "0", "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"],
  ["result", "Result", "V",
    "M1.5 8C3 5 5.3 3.5 8 3.5S13 5 14.5 8C13 11 10.7 12.5 8 12.5S3 11 1.5 8zM8 6a2 2 0 1 0 .01 0"],
  ["compare", "Before / after", "C", "M2.5 3.5h11v9h-11zM8 1.5v13M10 6l2 2-2 2M6 6 4 8l2 2"],
  ["help", "Keys", "?", "M2 4.5h12v7H2zM4.5 7h.01M7 7h.01M9.5 7h.01M12 7h.01M5 9.5h6"],
];
const UP = "M8 10.5V2.5M5 5.5l3-3 3 3M2.5 10v3.5h11V10";
const DOWN = "M8 2.5v8M5 7.5l3 3 3-3M2.5 10v3.5h11V10";
const FILES = [
  ["open-image", "Open photo", "", UP],
  ["open-mask", "Open mask", "", UP],
  ["save-mask", "Save mask", "", DOWN],
  ["save-result", "Save result", "", DOWN],
];
const KEYS = [
  ["B E R L H", "brush, eraser, rectangle, lasso, move"],
  ["[ ]", "smaller, larger brush"],
  ["Shift + drag", "take away with the tool in hand"],
  ["Ctrl + Z, Ctrl + Shift + Z", "undo, redo"],
  ["I, Delete", "invert, clear"],
  ["Ctrl + wheel, + and −", "zoom; two fingers on a touch screen"],
  ["0, 1", "fit to window, one to one"],
  ["Space + drag", "move the picture"],
  ["Enter", "fill"],
  ["V", "the whole result, or the hole"],
  ["C, then ← →", "before and after, move the divider"],
  ["Arrows, then D", "draw without a mouse: D begins and ends a stroke"],
  ["Shift + arrows", "go a single pixel"],
  ["Esc", "abandon the stroke; close this list"],
];
const LARGEST_BRUSH = 0.5; // of the image's short side

// make("p", { className: "x" }, "text", child): an element; names with a dash become attributes.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

class Toolbar {
  // act(name) is called for each button, file(name, file) for a chosen file.
  constructor(act, file) {
    this.buttons = {};
    this.file = file;
    const group = (label, entries) => {
      const buttons = entries.map((entry) => this.button(act, ...entry));
      return make("div", { role: "group", "aria-label": label }, ...buttons);
    };
    const range = { type: "range", min: 0, max: 100, value: 0, step: 0.1 };
    this.size = make("input", { ...range, "aria-label": "Brush size" });
    this.sizeText = make("output");
    this.size.oninput = () => act("size");
    const size = make("label", { className: "ap-size" }, "Size", this.size, this.sizeText);
    const row = (...groups) => make("div", { className: "ap-row" }, ...groups);
    this.element = make(
      "div",
      { className: "ap-bar", role: "toolbar", "aria-label": "Mask painter" },
      row(group("Tools", TOOLS), size, group("Mask", EDITS)),
      row(group("View", VIEWS), group("Files", FILES)),
    );
    const line = ([key, what]) => make("div", {}, make("dt", {}, key), make("dd", {}, what));
    const help = { className: "ap-help", hidden: true, "aria-label": "Keys" };
    this.help = make("dl", help, ...KEYS.map(line));
    this.press("help", false);
  }

  button(act, name, label, key, path) {
    const title = key ? `${label} (${key})` : label;
    const properties = { type: "button", title, "aria-label": title, "data-name": name };
    const button = make("button", properties, icon(path), make("span", {}, label));
    button.onclick = () => (name.startsWith("open-") ? this.choose(name) : act(name));
    return (this.buttons[name] = button);
  }

  choose(name) {
    const accept = ".png,.jpg,.jpeg,.webp,.bmp,.tif,.tiff";
    const input = make("input", { type: "file", accept });
    input.onchange = () => input.files.length && this.file(name.slice(5), input.files[0]);
    input.click();
  }

  press(name, pressed) {
    this.buttons[name].setAttribute("aria-pressed", pressed);
  }

  enable(name, enabled) {
    this.buttons[name].disabled = !enabled;
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.press("help", !this.help.hidden);
  }

  // The slider is logarithmic: 0 to 100 are brushes of 1 px to half the image's short side.
  // Another size of image brings a brush of its own; one that was chosen stays for the same size.
  fitBrush(side) {
    if (side === this.side) return;
    this.side = side;
    this.largest = Math.max(16, Math.round(side * LARGEST_BRUSH));
    this.diameter = side / 12;
  }

  get diameter() {
    return this.px;
  }

  set diameter(px) {
    this.px = Math.min(this.largest, Math.max(1, Math.round(px)));
    this.size.value = (100 * Math.log(this.px)) / Math.log(this.largest);
    this.size.setAttribute("aria-valuetext", `${this.px} pixels`);
    this.sizeText.textContent = `${this.px} px`;
  }

  readSize() {
    this.diameter = this.largest ** (this.size.value / 100);
  }
}
