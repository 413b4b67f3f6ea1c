// The mask: one byte a pixel of the image, 1 = hole, whatever the zoom and the screen's resolution.
// No canvas takes part in drawing it, so nothing is anti-aliased: a pixel belongs to a shape when
// its centre does. painter.py joins this file and painter.js into one module.

const HISTORY_BYTES = 64e6;

class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
    this.saved = new Uint8Array(width * height); // as of the last step
    this.steps = []; // each a rectangle and the bits in which it changed
    this.done = 0; // steps[0 .. done) are applied, the rest can be redone
    this.holes = 0;
    this.clean();
  }

  clean() {
    this.dirty = { left: this.width, top: this.height, right: -1, bottom: -1 };
  }

  touch(left, top, right, bottom) {
    const { dirty } = this;
    dirty.left = Math.min(dirty.left, left);
    dirty.top = Math.min(dirty.top, top);
    dirty.right = Math.max(dirty.right, right);
    dirty.bottom = Math.max(dirty.bottom, bottom);
  }

  // Numbers of the pixels whose centres lie in [from, to], as far as the image goes.
  static inside(from, to, size) {
    return [Math.max(0, Math.ceil(from - 0.5)), Math.min(size - 1, Math.floor(to - 0.5))];
  }

  span(y, from, to, value) {
    const [left, right] = Mask.inside(from, to, this.width);
    if (left > right) return;
    this.pixels.fill(value, y * this.width + left, y * this.width + right + 1);
    this.touch(left, y, right, y);
  }

  box(a, b, value) {
    const [top, bottom] = Mask.inside(Math.min(a.y, b.y), Math.max(a.y, b.y), this.height);
    for (let y = top; y <= bottom; y++) this.span(y, Math.min(a.x, b.x), Math.max(a.x, b.x), value);
  }

  disc(centre, radius, value) {
    const [top, bottom] = Mask.inside(centre.y - radius, centre.y + radius, this.height);
    for (let y = top; y <= bottom; y++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (y + 0.5 - centre.y) ** 2));
      this.span(y, centre.x - half, centre.x + half, value);
    }
    // A brush of one pixel may cover no centre at all; it marks the pixel that it points at.
    const x = Math.floor(centre.x);
    const y = Math.floor(centre.y);
    if (y >= 0 && y < this.height) this.span(y, x + 0.5, x + 0.5, value);
  }

  // A stroke of a round brush from a to b.
  capsule(a, b, radius, value) {
    this.disc(a, radius, value);
    const length = Math.hypot(b.x - a.x, b.y - a.y);
    if (!length) return;
    this.disc(b, radius, value);
    const dx = ((a.y - b.y) / length) * radius;
    const dy = ((b.x - a.x) / length) * radius;
    const corner = (p, sign) => ({ x: p.x + sign * dx, y: p.y + sign * dy });
    this.polygon([corner(a, 1), corner(b, 1), corner(b, -1), corner(a, -1)], value);
  }

  // Everything that the outline runs around, also where it crosses itself (non-zero winding).
  polygon(points, value) {
    const heights = points.map((p) => p.y).sort((a, b) => a - b);
    const [top, bottom] = Mask.inside(heights[0], heights.at(-1), this.height);
    for (let y = top; y <= bottom; y++) {
      let winding = 0;
      let start = 0;
      for (const { x, turn } of Mask.crossings(points, y + 0.5)) {
        if (!winding) start = x;
        winding += turn;
        if (!winding) this.span(y, start, x, value);
      }
    }
  }

  static crossings(points, y) {
    const found = [];
    for (let i = 0; i < points.length; i++) {
      const a = points[i];
      const b = points[(i + 1) % points.length];
      if (a.y <= y === b.y <= y) continue;
      found.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y < b.y ? 1 : -1 });
    }
    return found.sort((one, other) => one.x - other.x);
  }

  everywhere(change) {
    this.touch(0, 0, this.width - 1, this.height - 1);
    change(this.pixels);
    return this.commit();
  }

  clear() {
    return this.everywhere((pixels) => pixels.fill(0));
  }

  invert() {
    return this.everywhere((pixels) => {
      for (let i = 0; i < pixels.length; i++) pixels[i] ^= 1;
    });
  }

  // Calls visit(i, n) for pixel i, the n-th of a rectangle.
  each({ left, top, right, bottom }, visit) {
    for (let y = top, n = 0; y <= bottom; y++) {
      const row = y * this.width;
      for (let i = row + left; i <= row + right; i++, n++) visit(i, n);
    }
  }

  // Makes what was drawn since the last step a step that can be undone; false: nothing changed.
  commit() {
    const { pixels, saved, dirty } = this;
    this.clean();
    if (dirty.right < dirty.left) return false;
    const area = (dirty.right - dirty.left + 1) * (dirty.bottom - dirty.top + 1);
    const bits = new Uint8Array((area + 7) >> 3);
    let changed = false;
    this.each(dirty, (i, n) => {
      if (pixels[i] === saved[i]) return;
      changed = true;
      bits[n >> 3] |= 1 << (n & 7);
      this.holes += pixels[i] ? 1 : -1;
      saved[i] = pixels[i];
    });
    if (!changed) return false;
    this.steps.splice(this.done, Infinity, { area: dirty, bits });
    let bytes = this.steps.reduce((sum, step) => sum + step.bits.length, 0);
    while (bytes > HISTORY_BYTES) bytes -= this.steps.shift().bits.length;
    this.done = this.steps.length;
    return true;
  }

  // Forgets what was drawn since the last step.
  revert() {
    this.each(this.dirty, (i) => (this.pixels[i] = this.saved[i]));
    this.clean();
  }

  undo() {
    return this.done > 0 && this.toggle(this.steps[--this.done]);
  }

  redo() {
    return this.done < this.steps.length && this.toggle(this.steps[this.done++]);
  }

  // A step's bits say what changed, so the same pass takes it back and does it again.
  toggle({ area, bits }) {
    this.each(area, (i, n) => {
      if (!(bits[n >> 3] & (1 << (n & 7)))) return;
      this.pixels[i] ^= 1;
      this.saved[i] = this.pixels[i];
      this.holes += this.pixels[i] ? 1 : -1;
    });
    return true;
  }

  // One bit a pixel (NumPy's order), compressed; nothing at all for a mask without holes.
  async pack() {
    if (!this.holes) return new Uint8Array();
    const bits = new Uint8Array((this.pixels.length + 7) >> 3);
    for (let i = 0; i < this.pixels.length; i++) bits[i >> 3] |= this.pixels[i] << (7 - (i & 7));
    return through(new CompressionStream("deflate"), bits);
  }

  async unpack(packed) {
    const bits = packed.byteLength ? await through(new DecompressionStream("deflate"), packed) : [];
    return this.everywhere((pixels) => {
      for (let i = 0; i < pixels.length; i++) pixels[i] = (bits[i >> 3] >> (7 - (i & 7))) & 1;
    });
  }
}

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}
