// The attack console: groups of switches, and a report that the kernel makes anew at each change.

function render({ model, el }) {
  const root = rootOf(el, "console", `Attack console: ${model.get("title")}`);
  const outcome = h("div", { class: "e-outcome" });
  const told = h("p", { class: "e-verdict", role: "status" });
  const table = h("div");
  const live = h("div", { class: "q-status", role: "status" });
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
      const input = h("input", { id, type: "checkbox", onchange: () => change(control.name, input.checked) });
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
  };

  function rows(caption, lines) {
    if (!lines.length) return null;
    return h(
      "table",
      { class: "c-table" },
      h("caption", {}, caption),
      h(
        "tbody",
        {},
        ...lines.map(([who, ...words]) => h("tr", {}, h("th", { scope: "row" }, who), h("td", {}, ...words))),
      ),
    );
  }

  function drawValues() {
    for (const [name, value] of Object.entries(model.get("values"))) inputs[name]?.(value);
  }

  function drawReport() {
    clearTimeout(timer);
    live.textContent = "";
    const { verdict, mark, sentence, noticed, read, server, later, stale } = model.get("report");
    outcome.className = `e-outcome ${verdict}`;
    fill(told, h("span", { "aria-hidden": "true" }, `${mark} `), sentence);
    const seen = noticed.map(([who, what, error]) => [who, h("code", {}, error), ` ${what}`]);
    const server_rows = [
      ["now", server.length ? server.join(", ") : "nothing"],
      ...later.map((line) => ["later", line]),
      ...(stale ? [["an old key", stale]] : []),
    ];
    fill(
      table,
      rows("Who notices what", seen.length ? seen : [["nobody", "notices anything"]]),
      rows("What people read", read.map(([who, text]) => [who, `“${text}”`])),
      rows("What the server reads", server_rows),
    );
  }

  const groups = model.get("groups").map(({ heading, controls }, number) =>
    h(
      "fieldset",
      {},
      h("legend", {}, heading),
      ...controls.map((control, place) =>
        makers[control.kind](control, `console-${root.dataset.number}-${number}-${place}`),
      ),
    ),
  );
  outcome.append(told, table);
  root.append(
    h("div", { class: "q-kind" }, "Try it"),
    h("strong", {}, model.get("title")),
    h("div", { class: "c-groups" }, ...groups),
    live,
    outcome,
  );
  model.on("change:values", drawValues);
  model.on("change:report", drawReport);
  drawValues();
  drawReport();
  return () => {
    clearTimeout(timer);
    model.off("change:values", drawValues);
    model.off("change:report", drawReport);
  };
}

export default { render };
