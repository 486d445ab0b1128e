// An experiment: controls, and an outcome that the kernel makes anew at every change.

function render({ model, el }) {
  const root = rootOf(el, "experiment", `Experiment: ${model.get("title")}`);
  const outcome = h("div", { class: "e-outcome", role: "status" });
  const live = h("div", { class: "q-status", role: "status" });
  const group = `experiment-${root.dataset.number}`;
  const board = controlsOf(model, live);

  function drawOutcome() {
    board.answered();
    const { verdict, mark, sentence, facts } = model.get("outcome");
    outcome.className = `e-outcome ${verdict}`;
    fill(
      outcome,
      h("p", { class: "e-verdict" }, h("span", { "aria-hidden": "true" }, `${mark} `), sentence),
      facts.length
        ? h(
            "dl",
            {},
            ...facts.flatMap(([name, fact]) => [
              h("dt", {}, name),
              ...fact.split("\n").map((line) => h("dd", {}, line)),
            ]),
          )
        : null,
    );
  }

  const controls = model
    .get("controls")
    .map((control, number) => board.make(control, `${group}-${number}`));
  root.append(
    h("div", { class: "q-kind" }, "Try it"),
    h("fieldset", {}, h("legend", {}, model.get("title")), h("div", { class: "e-controls" }, controls)),
    live,
    outcome,
  );
  model.on("change:values", board.draw);
  model.on("change:outcome", drawOutcome);
  board.draw();
  drawOutcome();
  return () => {
    board.answered();
    model.off("change:values", board.draw);
    model.off("change:outcome", drawOutcome);
  };
}

export default { render };
