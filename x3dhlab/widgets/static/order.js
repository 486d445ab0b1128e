// Put steps in order: pick one up and place it, by keyboard, by touch or by dragging.

const GRIP = "M6 4v.01M10 4v.01M6 8v.01M10 8v.01M6 12v.01M10 12v.01";

function render({ model, el }) {
  const asked = model.get("asked");
  const root = rootOf(el, "question", `Order: ${asked.question}`);
  const live = h("div", { class: "q-status", role: "status" });
  const list = h("ol", { class: "z-order" });
  const feedback = h("div", { class: "q-feedback", role: "status" });
  const check = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "Check");
  let order = asked.options.map((_, number) => number);
  let marks = null;
  let picked = null;
  let before = null;

  function send() {
    picked = null;
    live.textContent = "";
    ask(model, { kind: "answer", answer: order }, "outcome", live);
  }

  function pick(place) {
    picked = place;
    before = [...order];
    drawList(place);
    live.textContent = `Picked up step ${place + 1}. Arrow keys move it, Enter puts it down, Escape puts it back.`;
  }

  function move(from, to) {
    if (to < 0 || to >= order.length) return;
    const [number] = order.splice(from, 1);
    order.splice(to, 0, number);
    marks = null;
    feedback.replaceChildren();
    if (picked !== null) picked = to;
    drawList(to);
    live.textContent = `${asked.options[number].replaceAll("`", "")} is now step ${to + 1} of ${order.length}.`;
  }

  function choose(place) {
    if (picked === null) return pick(place);
    if (place !== picked) move(picked, place);
    else live.textContent = `Put down as step ${place + 1}.`;
    picked = null;
    drawList(place);
  }

  function onKey(event, place) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && picked !== null) move(picked, picked + step);
    else if (step) list.children[place + step]?.querySelector("button").focus();
    else if (event.key === "Escape" && picked !== null) {
      order = before;
      const number = order.indexOf(Number(event.currentTarget.dataset.number));
      picked = null;
      drawList(number);
      live.textContent = "Put back.";
    } else return;
    event.preventDefault();
  }

  function drawList(focus) {
    const items = order.map((number, place) => {
      const mark = marks && (marks.has(place) ? "wrong" : "right");
      const face = h(
        "button",
        {
          type: "button",
          class: "z-item",
          "aria-pressed": String(picked === place),
          "data-number": number,
          onclick: () => choose(place),
          onkeydown: (event) => onKey(event, place),
        },
        icon(GRIP),
        h("span", { class: "z-place" }, h("span", { class: "x3dh-hidden" }, "Step "), `${place + 1}`),
        h("span", { class: "z-words" }, ...rich(asked.options[number])),
        mark ? h("span", { class: "z-mark" }, mark === "right" ? "✓" : "✗", h("span", { class: "x3dh-hidden" }, mark === "right" ? " stands right" : " stands wrong")) : null,
      );
      const item = h("li", { class: mark || "", "data-drop": place }, face);
      draggable(list, item, (target) => {
        picked = null;
        move(place, Number(target));
      });
      return item;
    });
    fill(list, ...items);
    if (focus !== undefined) list.children[focus].querySelector("button").focus({ preventScroll: true });
  }

  function draw() {
    const outcome = model.get("outcome");
    if (!outcome || !(outcome.order || outcome.problem)) return drawList();
    if (outcome.order) {
      order = [...outcome.order];
      marks = new Map(outcome.wrong.map(([place, reason, why]) => [place, [reason, why]]));
    }
    const inList = list.contains(document.activeElement);
    const place = inList ? [...list.children].findIndex((item) => item.contains(document.activeElement)) : undefined;
    drawList(place);
    if (!outcome.order) return feedback.replaceChildren(h("p", { class: "q-problem" }, outcome.problem));
    const count = outcome.wrong.length;
    const verdict = outcome.correct ? "✓ Right." : `✗ ${count === 1 ? "One step stands" : `${count} steps stand`} wrong.`;
    fill(
      feedback,
      h("div", { class: `q-verdict ${outcome.correct ? "right" : "wrong"}` }, verdict, outcome.earlier ? h("span", {}, " You answered this earlier.") : null),
      ...outcome.wrong.map(([at, reason, why]) =>
        h("p", { class: "wrong" }, h("b", {}, `${at + 1}. `, ...rich(asked.options[order[at]])), ": ", reason, ...rich(why || "Read what it needs, and what needs it.")),
      ),
      outcome.explain ? h("p", { class: "q-explain" }, ...rich(outcome.explain)) : null,
      outcome.correct ? null : h("p", { class: "q-again" }, "Move them, and check again."),
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
  }

  root.append(
    h("div", { class: "q-kind" }, "Put in order", h("span", {}, "pick a step up, then place it")),
    h("fieldset", {}, h("legend", {}, ...rich(asked.question)), list),
    h("div", { class: "q-actions" }, check, live),
    feedback,
  );
  model.on("change:outcome", draw);
  draw();
  return () => model.off("change:outcome", draw);
}

export default { render };
