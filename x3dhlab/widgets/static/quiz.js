// A quiz question: answer, read what the answer means, try again.

function render({ model, el }) {
  const asked = model.get("asked");
  const root = rootOf(el, "question", `Question: ${asked.question}`);
  const group = `quiz-${root.dataset.number}`;
  const chosen = new Set();
  const live = h("div", { class: "q-status", role: "status" });
  const feedback = h("div", { class: "q-feedback", role: "status" });
  const check = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "Check");
  const labels = asked.options.map((text, number) => {
    const input = h("input", {
      type: asked.several ? "checkbox" : "radio",
      name: group,
      onchange: () => {
        if (!asked.several) chosen.clear();
        if (input.checked) chosen.add(number);
        else chosen.delete(number);
        setDisabled(check, chosen.size === 0);
        live.textContent = "";
      },
    });
    return h("label", { class: "q-option" }, input, h("span", {}, ...rich(text)));
  });

  function send() {
    if (!chosen.size) {
      live.textContent = "Choose an answer first.";
      return;
    }
    live.textContent = "";
    ask(model, { kind: "answer", choices: [...chosen] }, "outcome", live);
  }

  function draw() {
    const outcome = model.get("outcome");
    if (!outcome || !outcome.chosen) return;
    labels.forEach((label, number) => {
      const mine = outcome.chosen.includes(number);
      const meaning = mine && outcome.meanings[outcome.chosen.indexOf(number)];
      label.classList.toggle("right", Boolean(meaning && meaning.correct));
      label.classList.toggle("wrong", Boolean(meaning && !meaning.correct));
      label.querySelector("input").checked = mine;
      if (mine) chosen.add(number);
      else chosen.delete(number);
    });
    setDisabled(check, chosen.size === 0);
    const verdict = outcome.correct ? "✓ Right." : outcome.missing ? "Right so far, but not complete." : "✗ Not this.";
    const meanings = outcome.meanings.map((meaning) =>
      h(
        "p",
        { class: meaning.correct ? "right" : "wrong" },
        h("b", {}, meaning.text),
        meaning.why ? h("span", {}, ": ", ...rich(meaning.why)) : "",
        meaning.cell ? h("span", {}, " ", cellLink(meaning.cell, meaning.correct ? "See the section." : "This section shows it.")) : "",
      ),
    );
    const parts = [
      h("div", { class: outcome.correct ? "q-verdict right" : "q-verdict wrong" }, verdict, outcome.earlier ? h("span", {}, " You answered this earlier.") : ""),
      ...meanings,
    ];
    if (outcome.missing) parts.push(h("p", {}, `Missing: ${outcome.missing}.`));
    if (outcome.explain) parts.push(h("p", { class: "q-explain" }, ...rich(outcome.explain)));
    if (!outcome.correct) parts.push(h("p", { class: "q-again" }, "Choose again when you are ready."));
    if (outcome.problem) parts.push(h("p", { class: "q-problem" }, outcome.problem));
    feedback.replaceChildren(...parts);
  }

  setDisabled(check, true);
  root.append(
    h("div", { class: "q-kind" }, "Check yourself", asked.several ? h("span", {}, "several are right") : ""),
    h("fieldset", {}, h("legend", {}, ...rich(asked.question)), ...labels),
    h("div", { class: "q-actions" }, check, live),
    feedback,
  );
  model.on("change:outcome", draw);
  draw();
  return () => model.off("change:outcome", draw);
}

export default { render };
