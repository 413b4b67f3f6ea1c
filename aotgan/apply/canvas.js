// The canvas: what is seen of photograph and mask, and what pointers do to them.
// Coordinates are image pixels unless they are called css; a scale is CSS px a pixel of the image.

const HOLE = 0x80005ed5; // #D55E00, half opaque: bytes alpha, blue, green, red
const EDGE = 0xff003a9e;
const MOST_SCALE = 40;
const FIT_SCALE = 4; // small pictures are enlarged this far
const CROSS = 9; // CSS px, an arm of what shows where keys draw
const REACH = 40; // CSS px of the picture that moving it away leaves in sight

const between = (value, low, high) => Math.min(high, Math.max(low, value));

class Canvas {
  constructor() {
    this.canvas = make("canvas", { tabIndex: 0, role: "application" });
    this.context = this.canvas.getContext("2d");
    this.shade = make("canvas");
    this.pointers = new Map();
    this.view = "mask";
    this.split = 0.5;
    this.stop = new AbortController();
    this.on(this.canvas, "pointerdown", (event) => this.down(event));
    this.on(this.canvas, "pointermove", (event) => this.move(event));
    this.on(this.canvas, "pointerup", (event) => this.up(event, true));
    this.on(this.canvas, "pointercancel", (event) => this.up(event, false));
    this.on(this.canvas, "pointerleave", () => this.hover(null));
    this.on(this.canvas, "wheel", (event) => this.wheel(event));
    this.watch = new ResizeObserver(() => this.layout());
    this.watch.observe(this.canvas);
  }

  on(target, kind, handler) {
    target.addEventListener(kind, handler, { signal: this.stop.signal, passive: false });
  }

  close() {
    this.stop.abort();
    this.watch.disconnect();
  }

  // --- where the picture lies

  layout() {
    const { canvas } = this;
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (this.mask && !this.fitted) this.x += (canvas.clientWidth - this.room) / 2;
    this.room = canvas.clientWidth; // where the picture lies follows the middle of the window
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    if (this.fitted) this.fit();
    this.draw();
  }

  fit() {
    if (!this.mask) return;
    const { clientWidth, clientHeight } = this.canvas;
    const { width, height } = this.mask;
    this.scale = Math.min(clientWidth / width, clientHeight / height, FIT_SCALE) || 1;
    this.x = (clientWidth - width * this.scale) / 2;
    this.y = (clientHeight - height * this.scale) / 2;
    this.fitted = true;
    this.show();
  }

  // Zooms and keeps what lies under a place of the canvas (its centre by default) there.
  zoom(factor, css = { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }) {
    const { clientWidth, clientHeight } = this.canvas;
    const whole = Math.min(clientWidth / this.mask.width, clientHeight / this.mask.height);
    const scale = between(this.scale * factor, Math.min(whole, 1) / 2, MOST_SCALE);
    const away = scale / this.scale;
    this.place(css.x - (css.x - this.x) * away, css.y - (css.y - this.y) * away, scale);
  }

  place(x, y, scale = this.scale) {
    const { clientWidth, clientHeight } = this.canvas;
    this.x = between(x, REACH - this.mask.width * scale, clientWidth - REACH);
    this.y = between(y, REACH - this.mask.height * scale, clientHeight - REACH);
    this.scale = scale;
    this.fitted = false;
    this.show();
  }

  css(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  point(css) {
    return { x: (css.x - this.x) / this.scale, y: (css.y - this.y) / this.scale };
  }

  onCanvas(point) {
    return { x: this.x + point.x * this.scale, y: this.y + point.y * this.scale };
  }

  // --- pointers: mouse, pen and touch alike; a second finger moves and zooms instead of drawing

  down(event) {
    event.preventDefault();
    if (!this.mask) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId); // strokes go on outside the canvas
    if (this.keyed && this.gesture) this.abandon();
    this.keyed = null;
    const css = this.css(event);
    this.pointers.set(event.pointerId, css);
    if (this.pointers.size > 1) {
      this.abandon();
      this.gesture = { kind: "pinch" };
    } else {
      this.gesture = this.gestureOf(event, this.point(css));
      if (this.gesture?.points) this.look("mask");
      this.extend([this.point(css)]);
    }
  }

  gestureOf(event, point) {
    const eraser = event.pointerType === "pen" && event.button === 5;
    if (event.button === 1 || this.tool === "pan" || this.space) return { kind: "pan" };
    if (event.button !== 0 && !eraser) return null;
    if (this.view === "compare") return { kind: "split" };
    const kind = this.tool === "erase" ? "brush" : this.tool;
    const value = eraser || event.shiftKey || this.tool === "erase" ? 0 : 1;
    return { kind, value, points: [point] };
  }

  move(event) {
    const { gesture, pointers } = this;
    const css = this.css(event);
    const before = pointers.get(event.pointerId);
    this.hover(event.pointerType === "touch" ? null : css);
    if (!before || !gesture) return;
    if (gesture.kind === "pan") this.place(this.x + css.x - before.x, this.y + css.y - before.y);
    if (gesture.kind === "pinch") this.pinch(event.pointerId, css);
    pointers.set(event.pointerId, css);
    const all = event.getCoalescedEvents?.() ?? [];
    this.extend((all.length ? all : [event]).map((one) => this.point(this.css(one))));
  }

  pinch(id, css) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    if (!other) return;
    const before = this.pointers.get(id);
    const away = (place) => Math.hypot(place.x - other.x, place.y - other.y) || 1;
    this.place(this.x + (css.x - before.x) / 2, this.y + (css.y - before.y) / 2);
    this.zoom(away(css) / away(before), { x: (css.x + other.x) / 2, y: (css.y + other.y) / 2 });
  }

  extend(points) {
    const { gesture, mask } = this;
    if (gesture?.kind === "split") this.setSplit(points.at(-1).x / mask.width);
    if (!gesture?.points) return;
    for (const point of points) {
      const last = gesture.points.at(-1);
      if (gesture.kind === "brush") mask.capsule(last, point, this.bar.diameter / 2, gesture.value);
      gesture.points.push(point);
    }
    this.draw();
  }

  up(event, keep) {
    const { gesture } = this;
    this.pointers.delete(event.pointerId);
    if (!gesture) return;
    if (gesture.kind === "pinch" && this.pointers.size) return;
    this.gesture = null;
    if (!gesture.points) return;
    if (!keep) return this.abandon();
    this.finish(gesture);
  }

  finish(gesture) {
    const { mask } = this;
    if (gesture.kind === "box") mask.box(gesture.points[0], gesture.points.at(-1), gesture.value);
    if (gesture.kind === "lasso") mask.polygon(gesture.points, gesture.value);
    if (mask.commit()) this.changed();
    this.draw();
  }

  abandon() {
    this.gesture = null;
    this.mask?.revert();
    this.draw();
  }

  hover(css) {
    this.pointed = css;
    this.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    this.zoom(Math.exp(-between(event.deltaY, -50, 50) / 100), this.css(event));
  }

  // --- keys: a place that arrows move, and strokes that begin and end there

  moveByKeys(dx, dy) {
    const { canvas, mask } = this;
    const middle = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 };
    const { x, y } = this.keyed ?? this.point(middle);
    const centre = (place, size) => between(Math.floor(place) + 0.5, 0.5, size - 0.5);
    this.keyed = { x: centre(x + dx, mask.width), y: centre(y + dy, mask.height) };
    const css = this.onCanvas(this.keyed);
    const back = (place, room) => between(place, 0, room) - place; // into sight
    const [right, down] = [back(css.x, canvas.clientWidth), back(css.y, canvas.clientHeight)];
    if (right || down) this.place(this.x + right, this.y + down);
    this.extend([this.keyed]);
    this.show();
  }

  drawByKeys() {
    const { gesture, tool } = this;
    if (tool === "pan" || this.view === "compare" || this.pointers.size) return;
    if (!this.keyed) this.moveByKeys(0, 0);
    if (gesture) {
      this.gesture = null;
      return this.finish(gesture);
    }
    this.look("mask");
    this.gesture = this.gestureOf({ button: 0 }, this.keyed);
    this.extend([this.keyed]);
  }

  // --- drawing, once a frame at most

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.mask && this.canvas.width) this.paint();
    });
  }

  paint() {
    const { context, canvas, mask, scale } = this;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const place = [scale * ratio, 0, 0, scale * ratio, this.x * ratio, this.y * ratio];
    context.setTransform(...place);
    context.imageSmoothingEnabled = scale * ratio < 3;
    if (this.photo) context.drawImage(this.photo, 0, 0, mask.width, mask.height);
    if (this.view !== "mask" && this.after) return this.paintAfter();
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.paintMask(ratio);
    context.setTransform(...place);
    this.paintGesture();
  }

  paintAfter() {
    const { context, mask } = this;
    const x = this.view === "compare" ? this.split * mask.width : 0;
    context.save();
    context.beginPath();
    context.rect(x, 0, mask.width - x, mask.height);
    context.clip();
    context.drawImage(this.after, 0, 0, mask.width, mask.height);
    context.restore();
    if (this.view !== "compare") return;
    this.trace(() => {
      context.moveTo(x, 0);
      context.lineTo(x, mask.height);
    });
  }

  // Each pixel of the screen takes the mask's nearest: exact at any zoom, and no large canvas.
  paintMask(ratio) {
    const { canvas, mask, scale, shade } = this;
    const extent = (from, size, room) => [
      between(Math.floor(from * ratio), 0, room),
      between(Math.ceil((from + size * scale) * ratio), 0, room),
    ];
    const [left, right] = extent(this.x, mask.width, canvas.width);
    const [top, bottom] = extent(this.y, mask.height, canvas.height);
    if (!(mask.holes || this.gesture?.points) || right <= left || bottom <= top) return;
    const image = new ImageData(right - left, bottom - top);
    const nearest = (first, end, from, size) =>
      Int32Array.from({ length: end - first }, (_, i) =>
        between(Math.floor(((first + i + 0.5) / ratio - from) / scale), 0, size - 1),
      );
    const columns = nearest(left, right, this.x, mask.width);
    const rows = nearest(top, bottom, this.y, mask.height);
    tint(mask, rows, columns, new Uint32Array(image.data.buffer));
    Object.assign(shade, { width: right - left, height: bottom - top });
    shade.getContext("2d").putImageData(image, 0, 0);
    this.context.drawImage(shade, left, top);
  }

  paintGesture() {
    const { context, gesture } = this;
    const keyed = this.keyed && this.onCanvas(this.keyed);
    const pointed = keyed ?? this.pointed;
    if (gesture?.kind === "box") {
      const [a, b] = [gesture.points[0], gesture.points.at(-1)];
      this.trace(() => context.rect(a.x, a.y, b.x - a.x, b.y - a.y));
    }
    if (gesture?.kind === "lasso") {
      this.trace(() => gesture.points.forEach((p) => context.lineTo(p.x, p.y)));
    }
    if (pointed && (this.tool === "brush" || this.tool === "erase")) {
      const centre = this.point(pointed);
      this.trace(() => context.arc(centre.x, centre.y, this.bar.diameter / 2, 0, 2 * Math.PI));
    }
    if (keyed) this.trace(() => this.cross(this.keyed, CROSS / this.scale));
  }

  cross({ x, y }, arm) {
    this.context.moveTo(x - arm, y);
    this.context.lineTo(x + arm, y);
    this.context.moveTo(x, y - arm);
    this.context.lineTo(x, y + arm);
  }

  // A line that shows on any photograph: white within black, of one width at any zoom.
  trace(path) {
    const { context } = this;
    context.beginPath();
    path();
    for (const [colour, width] of [["#000a", 3], ["#fff", 1.2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width / this.scale;
      context.stroke();
    }
  }
}

function tint(mask, rows, columns, out) {
  let above = new Uint8Array(columns.length);
  let row = new Uint8Array(columns.length);
  for (let j = 0, n = 0; j < rows.length; j++, [above, row] = [row, above]) {
    const start = rows[j] * mask.width;
    for (let i = 0; i < columns.length; i++, n++) {
      row[i] = mask.pixels[start + columns[i]];
      const edge = (i && row[i] !== row[i - 1]) || (j && row[i] !== above[i]);
      if (edge) out[n] = EDGE;
      else if (row[i]) out[n] = HOLE;
    }
  }
}
