// The page of the user study: a code to begin with, then two pictures at a time, then thanks.
// What is shown arrives as messages from Python, pictures as bytes; nothing here knows a model.

const STYLE = `
.aotgan-study { font: 16px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 0 auto; padding: 16px;
  color: #222; background: #fff; text-align: center; outline: none; }
.aotgan-study button, .aotgan-study input { font: inherit; }
.aotgan-study h2 { font-size: 20px; font-weight: 600; margin: 8px 0 12px; }
.aotgan-study form { margin: 24px 0; display: flex; gap: 12px; justify-content: center;
  align-items: center; flex-wrap: wrap; }
.aotgan-study input { padding: 6px 10px; margin-left: 6px; width: 14em; border: 1px solid #767676; border-radius: 4px; }
.aotgan-study form button { padding: 6px 20px; border: 0; border-radius: 4px; background: #0072b2;
  color: #fff; cursor: pointer; }
.aotgan-study .pair { display: flex; gap: 2%; justify-content: center; }
.aotgan-study .pair button { flex: 0 1 auto; max-width: 49%; padding: 4px; background: none; color: #444;
  border: 3px solid transparent; border-radius: 8px; cursor: pointer; }
.aotgan-study .pair button:hover { border-color: #9cc9e3; }
.aotgan-study .pair button.chosen { border-color: #0072b2; }
.aotgan-study button:focus-visible, .aotgan-study input:focus-visible { outline: 3px solid #d55e00; }
.aotgan-study .pair.busy { cursor: wait; }
.aotgan-study .pair.busy button { pointer-events: none; }
.aotgan-study img { display: block; max-width: 100%; height: auto; margin: 0 auto 4px; }
.aotgan-study progress { width: 240px; vertical-align: middle; margin-right: 12px; }
.aotgan-study .note { color: #a03000; min-height: 1.5em; }
.aotgan-study .small { color: #555; font-size: 14px; }
`;
const PATIENCE_MS = 10000;
const NO_ANSWER = "The study does not answer. Reload this page and enter your code again: all " +
  "choices before this one are stored.";
const SIDES = { ArrowLeft: "left", ArrowRight: "right" };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function welcome(ask, state) {
  const input = element("input", { type: "text", maxlength: "40", required: "", autocomplete: "off" });
  input.value = state.participant;
  const label = element("label", {}, "Your code ", input);
  const form = element("form", {}, label, element("button", { type: "submit" }, "Start"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ kind: "start", participant: input.value });
  });
  const how = element("p", {}, `You will see ${state.total} pairs of pictures. ` +
    "Parts of some of them were made by a computer. Look at both, then click the better one, " +
    "or press the left or right arrow key. There is no time limit.");
  const why = element("p", { class: "small" }, "Any code will do; a name is not needed. The same " +
    "code brings you back to where you stopped. Stored are your choices, the time each took, and " +
    "the code.");
  return [element("h2", {}, state.question), how, form, why];
}

function trial(state, pictures, vote) {
  const urls = pictures.map((bytes) => URL.createObjectURL(new Blob([bytes], { type: "image/png" })));
  const images = urls.map((url) => element("img", { src: url, alt: "", draggable: "false" }));
  const buttons = ["left", "right"].map((side, i) => {
    const sign = side === "left" ? "← left" : "right →";
    const button = element("button", { type: "button", "aria-label": `Choose the ${side} picture` },
      images[i], sign);
    button.dataset.side = side;
    button.addEventListener("click", () => vote(side));
    return button;
  });
  const bar = element("progress", { max: state.total, value: state.done, "aria-label": "Progress" });
  const count = element("span", { role: "status" }, `Pair ${state.done + 1} of ${state.total}`);
  const row = element("div", { class: "pair busy" }, ...buttons);
  const shown = Promise.all(images.map((image) => image.decode()));
  shown.finally(() => urls.forEach((url) => URL.revokeObjectURL(url)));
  return { row, shown, parts: [element("h2", {}, state.question), row, element("p", {}, bar, count)] };
}

function thanks(state) {
  return [element("h2", {}, "Thank you!"),
    element("p", { role: "status" }, `You have judged all ${state.total} pairs. You may close this page.`)];
}

function render({ model, el }) {
  const root = element("div", { class: "aotgan-study", tabindex: "-1" });
  el.append(element("style", {}, STYLE), root);
  let state = null; // of the screen that is shown
  let row = null;
  let since = null; // when both pictures were there to see; null while there is nothing to choose
  let late = 0; // timer

  function ask(message) {
    model.send(message);
    clearTimeout(late);
    late = setTimeout(() => root.querySelector(".note").append(NO_ANSWER), PATIENCE_MS);
  }

  function vote(side) {
    if (since === null) return; // the last choice is on its way, or pictures are
    const seconds = (performance.now() - since) / 1000;
    since = null;
    row.classList.add("busy");
    row.querySelector(`[data-side=${side}]`).classList.add("chosen");
    ask({ kind: "vote", done: state.done, side, seconds });
  }

  function show(next, pictures) {
    clearTimeout(late);
    if (state && next.screen === "trial" && state.screen === "trial" && next.done === state.done &&
        !next.note) return; // another view of this page asked for the same
    state = next;
    since = null;
    let parts;
    if (next.screen === "trial") {
      const made = trial(next, pictures, vote);
      ({ row, parts } = made);
      made.shown.then(() => {
        if (row !== made.row) return;
        since = performance.now();
        row.classList.remove("busy");
      });
    } else parts = next.screen === "end" ? thanks(next) : welcome(ask, next);
    root.replaceChildren(...parts, element("p", { class: "note", role: "alert" }, next.note));
    (root.querySelector("input") || root).focus({ preventScroll: true });
  }

  function press(event) {
    const side = SIDES[event.key];
    const here = root.contains(event.target) || event.target === document.body;
    if (!side || !here || event.repeat || event.target.tagName === "INPUT") return;
    if (!state || state.screen !== "trial") return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to another cell
    vote(side);
  }

  model.on("msg:custom", show);
  document.addEventListener("keydown", press, true);
  model.send({ kind: "ready" });
  return () => {
    clearTimeout(late);
    model.off("msg:custom", show);
    document.removeEventListener("keydown", press, true);
  };
}

export default { render };
