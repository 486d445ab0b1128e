// The decision board: a choice a row, a guess, then a run in the kernel, and what came of it.

const GUESS = "the weakest row";
const NUMBERS = [
  ["confidentiality", " %"],
  ["availability", " %"],
  ["effort", ""],
];

function render({ model, el }) {
  const root = rootOf(el, "decisions", `Decision board: ${model.get("title")}`);
  const live = h("div", { class: "q-status", role: "status" });
  const note = h("div", { class: "q-status", role: "status" });
  const told = h("p", { class: "e-verdict", role: "status" });
  const outcome = h("div", { class: "d-outcome" });
  const board = controlsOf(model, live);
  const button = h(
    "button",
    { type: "button", class: "x3dh-button primary", onclick: () => run() },
    "Run this design",
  );

  const open = () => model.get("values")[GUESS] === "not said yet";

  function run() {
    if (open()) {
      note.textContent = "First say which row keeps least. “I don't know” is an answer too.";
      return;
    }
    live.textContent = "Running …";
    // A run takes seconds: the silence of a kernel is told later than elsewhere.
    waiting = setTimeout(() => {
      live.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 30000);
    post(model, { kind: "run", values: model.get("values") });
  }
  let waiting = null;

  function numbers(report, least = false) {
    return NUMBERS.map(([name, unit], place) =>
      h(
        "td",
        { class: "d-number", "data-label": name },
        `${least && place === 0 ? "least: " : ""}${report[name]}${unit}`,
      ),
    );
  }

  function head(first, last) {
    const names = [first, ...NUMBERS.map(([name]) => name), last];
    const heads = names.map((name, place) =>
      h("th", { scope: "col", class: 0 < place && place < 4 ? "d-number" : null }, name),
    );
    return h("thead", {}, h("tr", {}, ...heads));
  }

  function rows(report) {
    const least = Math.min(...report.rows.map((row) => row.confidentiality));
    return h(
      "table",
      { class: "d-table" },
      h("caption", {}, "What the runs gave"),
      head("row", "seen"),
      h(
        "tbody",
        {},
        ...report.rows.map((row) =>
          h(
            "tr",
            { class: row.confidentiality === least ? "d-least" : null },
            h("th", { scope: "row" }, row.name),
            ...numbers(row, row.confidentiality === least),
            h("td", {}, ...row.seen.map((line) => h("div", {}, line))),
          ),
        ),
        h(
          "tr",
          { class: "d-whole" },
          h("th", { scope: "row" }, "the design"),
          ...numbers(report),
          h("td", {}, "weakest row; product; sum"),
        ),
      ),
    );
  }

  function tried() {
    const designs = model.get("tried");
    if (designs.length < 2) return null;
    const before = (place) => (place ? designs[place - 1].choices : {});
    return h(
      "table",
      { class: "d-table" },
      h("caption", {}, "The designs that you ran"),
      head("design", "what changed"),
      h(
        "tbody",
        {},
        ...designs.map((one, place) => {
          const changed = Object.entries(one.choices).filter(([name, option]) => before(place)[name] !== option);
          const words = changed.map(([name, option]) => `${name}: ${option}`).join("; ");
          return h(
            "tr",
            {},
            h("th", { scope: "row" }, String(place + 1)),
            ...numbers(one),
            h("td", {}, place ? words || "nothing" : "the first one"),
          );
        }),
      ),
    );
  }

  function drawReport() {
    clearTimeout(waiting);
    board.answered();
    const report = model.get("report");
    fill(told, report.told || report.problem || "");
    fill(outcome, h("div", { class: "d-scroll" }, report.rows ? rows(report) : null), tried());
    drawValues();
  }

  function drawValues() {
    board.draw();
    setDisabled(button, open());
    if (!open()) note.textContent = "";
  }

  const number = root.dataset.number;
  const controls = model
    .get("controls")
    .map((control, place) => board.make(control, `decisions-${number}-${place}`));
  root.append(
    h("div", { class: "q-kind" }, "Decide"),
    h("fieldset", { class: "d-choices" }, h("legend", {}, model.get("title")), ...controls),
    h("div", { class: "q-actions" }, button, note, live),
    told,
    outcome,
  );
  model.on("change:values", drawValues);
  model.on("change:report", drawReport);
  drawReport();
  return () => {
    clearTimeout(waiting);
    board.answered();
    model.off("change:values", drawValues);
    model.off("change:report", drawReport);
  };
}

export default { render };
