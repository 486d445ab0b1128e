// An experiment: controls, and an outcome that the kernel makes anew at every change.

function render({ model, el }) {
  const root = rootOf(el, "experiment", `Experiment: ${model.get("title")}`);
  const outcome = h("div", { class: "e-outcome", role: "status" });
  const live = h("div", { class: "q-status", role: "status" });
  const group = `experiment-${root.dataset.number}`;
  const inputs = {};
  let timer = null;

  function change(name, value) {
    model.set("values", { ...model.get("values"), [name]: value });
    model.save_changes();
    clearTimeout(timer);
    live.textContent = "";
    timer = setTimeout(() => {
      live.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 3000);
  }

  const makers = {
    check(control, id) {
      const input = h("input", {
        id,
        type: "checkbox",
        onchange: () => change(control.name, input.checked),
      });
      inputs[control.name] = (value) => (input.checked = value);
      return h("label", { class: "e-check", for: id }, input, h("span", {}, control.label));
    },
    choose(control, id) {
      const input = h(
        "select",
        { id, onchange: () => change(control.name, input.value) },
        ...control.options.map((option) => h("option", { value: option }, option)),
      );
      inputs[control.name] = (value) => (input.value = value);
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input);
    },
    number(control, id) {
      const shown = h("output", { for: id, class: "e-number" });
      const input = h("input", {
        id,
        type: "range",
        min: control.low,
        max: control.high,
        oninput: () => {
          shown.textContent = input.value;
          change(control.name, Number(input.value));
        },
      });
      inputs[control.name] = (value) => {
        input.value = value;
        shown.textContent = value;
      };
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input, shown);
    },
    text(control, id) {
      const input = h("input", {
        id,
        type: "text",
        maxlength: control.limit,
        autocomplete: "off",
        spellcheck: "false",
        oninput: () => change(control.name, input.value),
      });
      inputs[control.name] = (value) => {
        if (document.activeElement !== input) input.value = value;
      };
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input);
    },
  };

  function drawValues() {
    for (const [name, value] of Object.entries(model.get("values"))) inputs[name]?.(value);
  }

  function drawOutcome() {
    clearTimeout(timer);
    live.textContent = "";
    const { verdict, mark, sentence, facts } = model.get("outcome");
    outcome.className = `e-outcome ${verdict}`;
    fill(
      outcome,
      h("p", { class: "e-verdict" }, h("span", { "aria-hidden": "true" }, `${mark} `), sentence),
      facts.length
        ? h("dl", {}, ...facts.flatMap(([name, fact]) => [h("dt", {}, name), h("dd", {}, fact)]))
        : null,
    );
  }

  const controls = model
    .get("controls")
    .map((control, number) => makers[control.kind](control, `${group}-${number}`));
  root.append(
    h("div", { class: "q-kind" }, "Try it"),
    h("fieldset", {}, h("legend", {}, model.get("title")), h("div", { class: "e-controls" }, controls)),
    live,
    outcome,
  );
  model.on("change:values", drawValues);
  model.on("change:outcome", drawOutcome);
  drawValues();
  drawOutcome();
  return () => {
    clearTimeout(timer);
    model.off("change:values", drawValues);
    model.off("change:outcome", drawOutcome);
  };
}

export default { render };
