// A prediction: choose, say how sure, commit. Only then does Python send what each option means.

function render({ model, el }) {
  const asked = model.get("asked");
  const root = rootOf(el, "question", `Prediction: ${asked.question}`);
  const group = `predict-${root.dataset.number}`;
  const live = h("div", { class: "q-status", role: "status" });
  let choice = null;
  let confidence = null;

  const open = () => {
    const options = asked.options.map((text, number) =>
      h(
        "label",
        { class: "q-option" },
        h("input", { type: "radio", name: `${group}-o`, onchange: () => ((choice = number), ready()) }),
        h("span", {}, ...rich(text)),
      ),
    );
    const levels = asked.confidence.map((level) =>
      h(
        "label",
        { class: "q-level" },
        h("input", { type: "radio", name: `${group}-c`, onchange: () => ((confidence = level), ready()) }),
        h("span", {}, level),
      ),
    );
    const commit = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "Lock my prediction");
    const ready = () => {
      setDisabled(commit, choice === null || confidence === null);
      live.textContent = "";
    };
    function send() {
      if (choice === null || confidence === null) {
        live.textContent = choice === null ? "Choose an answer first." : "Say how sure you are.";
        return;
      }
      setDisabled(commit, true);
      live.textContent = "";
      ask(model, { kind: "commit", choice, confidence }, "outcome", live);
    }
    setDisabled(commit, true);
    fill(
      root,
      h("div", { class: "q-kind" }, "Predict", h("span", {}, "you cannot change it later")),
      h(
        "fieldset",
        {},
        h("legend", {}, ...rich(asked.question)),
        ...options,
      ),
      h(
        "fieldset",
        { class: "q-sure" },
        h("legend", {}, "How sure are you?"),
        h("div", { class: "q-levels" }, ...levels),
      ),
      h("div", { class: "q-actions" }, commit, live),
    );
  };

  const closed = (outcome) => {
    const chosen = outcome.choice;
    const options = outcome.options.map((option, number) => {
      const right = outcome.judged && option.correct;
      return h(
        "li",
        { class: ["q-answer", right ? "right" : "", number === chosen ? "mine" : ""].join(" ") },
        h(
          "div",
          {},
          ...rich(option.text),
          number === chosen ? h("span", { class: "q-badge" }, `your prediction, ${outcome.confidence}`) : null,
          right ? h("span", { class: "q-badge good" }, "✓ this happens") : null,
        ),
        option.why ? h("p", {}, ...rich(option.why), option.cell ? " " : "", option.cell ? cellLink(option.cell, "See the section.") : "") : null,
      );
    });
    const judged = outcome.judged && chosen >= 0;
    const verdict = !judged
      ? ""
      : outcome.options[chosen].correct
        ? "That is what happens. "
        : outcome.options[chosen].text === "I don't know"
          ? "Good to know before you run it. "
          : "The run will show something else. ";
    live.textContent = `${verdict}${outcome.earlier ? "You predicted this earlier." : "Your prediction is locked."}`;
    fill(
      root,
      h("div", { class: "q-kind" }, "Predicted", h("span", {}, "locked")),
      h("div", { class: "q-question" }, ...rich(asked.question)),
      chosen < 0 ? h("p", {}, `Your prediction: ${outcome.text} (${outcome.confidence}).`) : null,
      h("ul", { class: "q-answers" }, ...options),
      outcome.explain ? h("p", { class: "q-explain" }, ...rich(outcome.explain)) : null,
      h("div", { class: "q-actions" }, live),
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
  };

  function draw() {
    const outcome = model.get("outcome");
    const inside = root.contains(document.activeElement);
    if (outcome && outcome.options) closed(outcome);
    else open();
    if (inside) root.focus({ preventScroll: true });
  }
  root.tabIndex = -1;
  model.on("change:outcome", draw);
  draw();
  return () => model.off("change:outcome", draw);
}

export default { render };
