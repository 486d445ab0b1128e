// The attack console: groups of switches, and a report that the kernel makes anew at each change.

function render({ model, el }) {
  const root = rootOf(el, "console", `Attack console: ${model.get("title")}`);
  const outcome = h("div", { class: "e-outcome" });
  const told = h("p", { class: "e-verdict", role: "status" });
  const table = h("div");
  const live = h("div", { class: "q-status", role: "status" });
  const board = controlsOf(model, live);

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

  function drawReport() {
    board.answered();
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
        board.make(control, `console-${root.dataset.number}-${number}-${place}`),
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
  model.on("change:values", board.draw);
  model.on("change:report", drawReport);
  board.draw();
  drawReport();
  return () => {
    board.answered();
    model.off("change:values", board.draw);
    model.off("change:report", drawReport);
  };
}

export default { render };
