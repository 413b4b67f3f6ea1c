// The painter: canvas and toolbar together, their keys, and the way to the kernel. Loads nothing.

const ANSWER_MS = 6000; // a kernel that is silent for longer is busy or gone
const ZOOM_STEP = Math.SQRT2;
const BRUSH_STEP = 1.25;
const DIVIDER_STEP = 0.05; // of the picture's width
const KEY_STEP = 12; // CSS px that an arrow key moves
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const THUMB = 16; // CSS px, of a slider
const CHUNK = 1 << 20; // bytes a message; Jupyter's servers refuse more than 10 MB

class Painter extends Canvas {
  constructor(model, el) {
    super();
    this.model = model;
    this.bar = new Toolbar((name) => this.act(name), (what, file) => this.upload(what, file));
    this.divider = make("input", {
      ...{ type: "range", min: 0, max: 100, value: 50, hidden: true, className: "ap-divider" },
      ...{ "aria-label": "Before and after: position of the divider", "aria-valuetext": "50 %" },
    });
    this.state = make("span");
    this.notice = make("span", { className: "ap-notice", role: "status", "aria-live": "polite" });
    const foot = make("div", { className: "ap-foot" }, this.state, this.notice);
    const side = (text) => make("span", { className: "ap-side", hidden: true }, text);
    this.sides = [side("before"), side("after")];
    const shown = [this.canvas, this.divider, ...this.sides];
    const stage = make("div", { className: "ap-stage" }, ...shown);
    // JupyterLab's own keys (B adds a cell, X cuts one) stay away from an element so marked.
    const properties = { className: "ap", "data-lm-suppress-shortcuts": "true" };
    this.root = make("div", properties, this.bar.element, this.bar.help, stage, foot);
    el.append(this.root);
    this.listen();
    this.setTool("brush");
    this.ready = this.refresh(true).then(() => this.greet());
  }

  listen() {
    const { canvas, model } = this;
    this.on(canvas, "dragover", (event) => event.preventDefault());
    this.on(canvas, "drop", (event) => this.drop(event));
    this.on(this.root, "keydown", (event) => this.key(event));
    this.on(this.root, "keyup", (event) => event.key === " " && (this.space = false));
    this.on(this.root, "focusout", () => (this.space = false));
    this.on(canvas, "blur", () => this.keyed && this.gesture && this.drawByKeys()); // ends it
    this.on(this.divider, "input", () => this.setSplit(this.divider.value / 100));
    this.refresher = () => (this.ready = this.ready.then(() => this.refresh(false)));
    this.receiver = (content, buffers) => this.receive(content, buffers);
    for (const name of SYNCED) model.on(`change:${name}`, this.refresher);
    model.on("msg:custom", this.receiver);
  }

  close() {
    super.close();
    clearTimeout(this.patience);
    for (const name of SYNCED) this.model.off(`change:${name}`, this.refresher);
    this.model.off("msg:custom", this.receiver);
  }

  // Tells the kernel that the painter is seen, for work that nobody should wait for.
  greet() {
    this.model.send({ kind: "seen" }); // no state: a mask would wait until that has been heard
  }

  // Takes over what the kernel, or another view of the same widget, has changed.
  async refresh(first) {
    const get = (name) => this.model.get(name);
    if (get("shown") !== this.shown) {
      this.shown = get("shown");
      this.digest = get("digest");
      this.photo = await picture(get("photo"));
      this.gesture = this.keyed = null;
      this.mask = new Mask(...get("size"));
      this.packed = null;
      this.bar.fitBrush(Math.min(...get("size")));
      this.fit();
    }
    if (get("packed") !== this.packed) await this.load(get("packed"), first);
    if (get("filled") !== this.filled) {
      this.filled = get("filled");
      this.after = await picture(this.filled);
      this.setSplit(0.5);
      this.look(this.after ? "result" : "mask"); // the whole result before any comparison
    }
    if (get("received") >= this.awaited) this.silent = false;
    this.show();
  }

  async load(packed, first) {
    this.packed = packed;
    const kept = first && !packed.byteLength && recall(this.digest);
    await this.mask.unpack(kept || packed);
    if (kept) return this.changed("Your last mask of this photo is back.");
    remember(this.digest, packed);
  }

  // Hands the mask to the kernel, which says how far it has read by the trait "received".
  async changed(message = "") {
    this.show();
    const before = this.sending; // one after the other, so that the newest mask comes last
    this.sending = Promise.resolve(before).then(() => this.mask.pack()).then((bytes) => {
      this.packed = new DataView(bytes.buffer);
      this.awaited = this.model.get("sent") + 1;
      this.model.set("packed", this.packed);
      this.model.set("sent", this.awaited);
      if (message) this.model.set("notice", message);
      this.model.save_changes();
      remember(this.digest, this.packed);
      clearTimeout(this.patience);
      this.patience = setTimeout(() => this.checkAnswer(), ANSWER_MS);
    });
    return this.sending;
  }

  checkAnswer() {
    this.silent = this.model.get("received") < this.awaited;
    this.show();
  }

  async send(content) {
    await this.sending;
    this.model.send(content);
  }

  // The mask goes with it: what was drawn while the kernel was busy may not have arrived.
  async fill() {
    await this.sending;
    const buffers = this.packed?.byteLength ? [this.packed] : [];
    this.model.send({ kind: "fill", sent: this.model.get("sent") }, undefined, buffers);
  }

  async upload(what, file) {
    const parts = Math.max(1, Math.ceil(file.size / CHUNK));
    for (let part = 0; part < parts; part++) {
      const bytes = await file.slice(part * CHUNK, (part + 1) * CHUNK).arrayBuffer();
      const content = { kind: "upload", what, name: file.name, part, parts };
      this.model.send(content, undefined, [bytes]);
    }
  }

  // A file comes in parts, each asked for once the one before it is here.
  receive(content, buffers) {
    if (content.kind === "fill") return this.act("fill");
    if (content.kind !== "part") return;
    if (content.part === 0) this.parts = [];
    this.parts.push(buffers[0]);
    if (content.part + 1 < content.parts) {
      return void this.send({ kind: "download", what: content.what, part: content.part + 1 });
    }
    const href = URL.createObjectURL(new Blob(this.parts, { type: content.type }));
    make("a", { href, download: content.name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
    this.parts = [];
  }

  act(name) {
    const { mask, bar } = this;
    if (!mask) return;
    if (TOOLS.some(([tool]) => tool === name)) return this.setTool(name);
    if (name === "undo" && !mask.done) return void this.send({ kind: "undo" });
    if (["undo", "redo", "clear", "invert"].includes(name)) {
      this.look("mask");
      if (this.gesture) this.abandon();
      return void (mask[name]() && this.changed());
    }
    if (name.startsWith("save-")) {
      return void this.send({ kind: "download", what: name.slice(5), part: 0 });
    }
    const actions = {
      size: () => bar.readSize(),
      smaller: () => this.zoom(1 / ZOOM_STEP),
      larger: () => this.zoom(ZOOM_STEP),
      fit: () => this.fit(),
      whole: () => this.zoom(1 / this.scale),
      result: () => this.look(this.view === "result" ? "mask" : "result"),
      compare: () => this.look(this.view === "compare" ? "result" : "compare"),
      draw: () => this.drawByKeys(),
      help: () => bar.toggleHelp(),
      thinner: () => (bar.diameter = Math.min(bar.diameter - 1, bar.diameter / BRUSH_STEP)),
      thicker: () => (bar.diameter = Math.max(bar.diameter + 1, bar.diameter * BRUSH_STEP)),
      fill: () => {
        if (this.keyed && this.gesture) this.drawByKeys(); // ends it
        this.fill();
      },
      abandon: () => (this.gesture || bar.help.hidden ? this.abandon() : bar.toggleHelp()),
    };
    actions[name]();
    this.show();
  }

  key(event) {
    const { target } = event;
    const range = target.type === "range" && /^(Arrow|Home|End|Page)/.test(event.key);
    const pressed = target.tagName === "BUTTON" && ["Enter", " ", "Tab"].includes(event.key);
    event.stopPropagation();
    if (range || pressed || event.key === "Tab" || event.altKey) return;
    const arrow = target === this.canvas && ARROWS[event.key];
    if (arrow) this.arrow(...arrow, event.shiftKey);
    else if (event.key === " ") this.space = true;
    else {
      const command = event.ctrlKey || event.metaKey;
      const name = shortcut(event.key.toLowerCase(), command, event.shiftKey);
      if (!name) return;
      if (!this.bar.buttons[name]?.disabled) this.act(name);
    }
    event.preventDefault();
  }

  setTool(name) {
    this.tool = name;
    for (const [tool] of TOOLS) this.bar.press(tool, tool === name);
    if (name !== "pan") this.look("mask");
    this.show();
  }

  // view: "mask", the photograph with the hole; "result"; or "compare", both beside a divider.
  look(view) {
    this.view = view;
    for (const part of [this.divider, ...this.sides]) part.hidden = view !== "compare";
    this.show();
  }

  // An arrow key: moves the divider, the picture, or the place that is drawn at.
  arrow(dx, dy, fine) {
    if (this.view === "compare") return this.setSplit(this.split + DIVIDER_STEP * dx);
    const step = fine ? 1 : Math.max(1, Math.round(KEY_STEP / this.scale)); // image pixels
    if (this.tool === "pan") {
      return this.place(this.x - dx * step * this.scale, this.y - dy * step * this.scale);
    }
    this.moveByKeys(dx * step, dy * step);
  }

  setSplit(split) {
    this.split = between(split, 0, 1);
    this.divider.value = 100 * this.split;
    this.divider.setAttribute("aria-valuetext", `${Math.round(100 * this.split)} %`);
    this.show();
  }

  // The divider lies over the picture, its thumb on the line between before and after.
  paintAfter() {
    super.paintAfter();
    const { canvas, mask, scale } = this;
    const below = canvas.clientHeight - this.y - mask.height * scale;
    this.divider.style.left = `${this.x - THUMB / 2}px`;
    this.divider.style.width = `${mask.width * scale + THUMB}px`;
    this.divider.style.bottom = `${Math.max(0, below) + 10}px`;
  }

  drop(event) {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) this.upload("image", file);
  }

  // What there is to read and to press, then the canvas.
  show() {
    if (!this.mask) return;
    const { mask, bar } = this;
    const share = (100 * mask.holes) / mask.pixels.length;
    const size = `${mask.width} × ${mask.height} px`;
    const hole = mask.holes ? `hole ${share.toFixed(share < 1 ? 2 : 1)} %` : "no hole yet";
    const at = this.keyed && [this.keyed.x, this.keyed.y].map(Math.floor).join(", ");
    const place = at ? `at ${at} · ` : "";
    this.state.textContent = `${size} · ${hole} · ${place}${Math.round(100 * this.scale)} %`;
    this.canvas.setAttribute("aria-label", `Photograph of ${size}, ${hole}. ${HOW}`);
    this.notice.textContent = this.silent ? SILENCE : this.model.get("notice");
    this.notice.classList.toggle("ap-alarm", Boolean(this.silent));
    bar.enable("undo", mask.done > 0 || this.model.get("past")); // before the first stroke: Keep
    bar.enable("redo", mask.done < mask.steps.length);
    bar.enable("clear", mask.holes > 0);
    bar.enable("save-mask", mask.holes > 0);
    bar.enable("save-result", Boolean(this.after) || this.model.get("kept"));
    for (const view of ["result", "compare"]) {
      bar.enable(view, Boolean(this.after));
      bar.press(view, this.view === view);
    }
    this.draw();
  }
}

const SYNCED = ["shown", "kept", "past", "packed", "filled", "notice", "received"];
const HOW = "Draw with a pointer, or with the arrow keys and D.";
const SILENCE =
  "The kernel does not answer: it is busy with another cell, or was stopped. Your mask stays in " +
  "this page; after a restart, run the cell again.";

function shortcut(key, command, shift) {
  if (command) return { z: shift ? "redo" : "undo", y: "redo" }[key];
  const tools = Object.fromEntries(TOOLS.map(([name, , letter]) => [letter.toLowerCase(), name]));
  const edits = { i: "invert", delete: "clear", backspace: "clear", "[": "thinner", "]": "thicker" };
  const zooms = { "+": "larger", "=": "larger", "-": "smaller", 0: "fit", 1: "whole" };
  const rest = { v: "result", c: "compare", d: "draw", enter: "fill", escape: "abandon", "?": "help" };
  return { ...tools, ...edits, ...zooms, ...rest }[key];
}

// The picture in a file's bytes, or null for none.
async function picture(bytes) {
  return bytes.byteLength ? createImageBitmap(new Blob([bytes])) : null;
}

// The mask outlives its kernel in the page's own storage, where there is one.
function remember(digest, packed) {
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  try {
    sessionStorage.setItem(`aotgan-mask-${digest}`, btoa(text));
  } catch {
    // full or forbidden: the kernel has the mask
  }
}

function recall(digest) {
  try {
    const text = atob(sessionStorage.getItem(`aotgan-mask-${digest}`) ?? "");
    return text && Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  } catch {
    return "";
  }
}

function render({ model, el }) {
  const painter = new Painter(model, el);
  return () => painter.close();
}

export default { render };
