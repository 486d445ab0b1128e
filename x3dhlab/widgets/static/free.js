// An answer in one's own words. The model answer opens after something was written.

function render({ model, el }) {
  const asked = model.get("asked");
  const root = rootOf(el, "question", `In your own words: ${asked.question}`);
  const id = `free-${root.dataset.number}`;
  const live = h("div", { class: "q-status", role: "status" });
  const below = h("div", { class: "q-feedback", "aria-live": "polite" });
  const save = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "");
  const field = h("textarea", {
    id,
    class: "z-field",
    rows: 5,
    maxlength: asked.most,
    oninput: () => {
      live.textContent = "";
      ready();
    },
  });
  let ticked = [];

  const enough = () => field.value.trim().length >= asked.least;
  const ready = () => setDisabled(save, !enough());

  function send() {
    if (!enough()) {
      live.textContent = "Write a sentence first. The model answer opens after that.";
      return;
    }
    live.textContent = "";
    ask(model, { kind: "answer", answer: { text: field.value, points: ticked } }, "outcome", live);
  }

  function point(words, number) {
    const input = h("input", {
      type: "checkbox",
      onchange: () => {
        ticked = input.checked ? [...ticked, number] : ticked.filter((other) => other !== number);
        send();
      },
    });
    input.checked = ticked.includes(number);
    return h("label", { class: "q-option", "data-point": number }, input, h("span", {}, ...rich(words)));
  }

  function draw() {
    const outcome = model.get("outcome");
    const open = typeof outcome?.text === "string";
    save.textContent = open ? "Save again" : "Save, and open the model answer";
    if (!open) {
      if (outcome?.problem) fill(below, h("p", { class: "q-problem" }, outcome.problem));
      return ready();
    }
    const active = root.contains(document.activeElement) && document.activeElement.closest("[data-point]");
    if (document.activeElement !== field) field.value = outcome.text;
    ticked = [...outcome.ticked];
    ready();
    const said = outcome.earlier ? "You wrote this earlier." : outcome.problem ? "" : "Saved.";
    live.textContent = `${said} The model answer is open below.`.trim();
    fill(
      below,
      h("div", { class: "z-model" }, h("div", { class: "q-kind" }, "A model answer"), h("p", {}, ...rich(outcome.model))),
      outcome.points.length
        ? h("fieldset", { class: "z-points" }, h("legend", {}, "Which of these does your answer say?"), ...outcome.points.map(point))
        : null,
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
    if (active) below.querySelector(`[data-point="${active.dataset.point}"] input`)?.focus({ preventScroll: true });
  }

  root.append(
    h("div", { class: "q-kind" }, "In your own words", h("span", {}, "kept on this computer")),
    h("label", { class: "q-question z-asked", for: id }, ...rich(asked.question)),
    field,
    h("div", { class: "q-actions" }, save, live),
    below,
  );
  model.on("change:outcome", draw);
  draw();
  return () => model.off("change:outcome", draw);
}

export default { render };
