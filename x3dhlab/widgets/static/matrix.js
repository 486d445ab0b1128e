// The compromise matrix: predict cell by cell, then reveal. The truth comes from Python only then.

const NEXT = { "": "falls", falls: "holds", holds: "falls" };
const SIGNS = { "": "?", falls: "✗ falls", holds: "✓ holds" };
const MATRIX_KEYS = { f: "falls", h: "holds", Delete: "", Backspace: "" };

class Matrix {
  constructor(model, el) {
    this.model = model;
    this.asked = model.get("asked");
    this.root = rootOf(el, "matrix", `Compromise matrix: ${this.asked.title}`);
    this.root.tabIndex = -1;
    this.at = [0, 0];
    this.live = h("div", { class: "x3dh-hidden", role: "status", "aria-live": "polite" });
    this.status = h("div", { class: "q-status", role: "status" });
    this.count = h("span", { class: "p-count" });
    this.why = h("div", { class: "m-why", role: "group", "aria-label": "Chosen cell" });
    this.score = h("div", { class: "m-score" });
    this.wrong = h("div", { class: "m-wrong" });
    this.build();
    this.draw();
  }

  get outcome() {
    const outcome = this.model.get("outcome");
    return outcome && outcome.cells ? outcome : null;
  }

  build() {
    const { title, rows, columns } = this.asked;
    this.kind = h("div", { class: "q-kind" });
    this.hint = h("p", { class: "m-hint" }, "What falls to which theft? Set every cell: a click, or arrows and Space. F sets “falls”, H sets “holds”.");
    this.cells = rows.map((row, r) => columns.map((column, c) => this.cell(r, c)));
    const head = h(
      "tr",
      {},
      h("td", { class: "m-corner" }, h("span", {}, "stolen →"), h("span", {}, `${this.asked.what} ↓`)),
      ...columns.map((column) => h("th", { scope: "col", title: column.detail || null }, h("span", {}, column.name))),
    );
    const body = rows.map((row, r) =>
      h("tr", {}, h("th", { scope: "row" }, row.name, row.detail ? h("small", {}, row.detail) : null), ...this.cells[r]),
    );
    const table = h("table", { role: "grid", class: "m-grid", "aria-label": title }, h("thead", {}, head), h("tbody", {}, ...body));
    table.addEventListener("keydown", (event) => this.onKey(event));
    this.table = table;
    this.fillRest = h("button", { type: "button", class: "x3dh-button", onclick: () => this.setRest() }, "Set the open cells to “holds”");
    this.button = h("button", { type: "button", class: "x3dh-button primary", onclick: () => this.reveal() }, "Lock and reveal");
    this.actions = h("div", { class: "q-actions" }, this.button, this.fillRest, this.count, this.status);
    this.root.append(
      this.kind,
      h("div", { class: "q-question" }, title),
      this.hint,
      h("div", { class: "m-scroll" }, table),
      this.actions,
      this.score,
      this.why,
      this.wrong,
      this.live,
    );
  }

  cell(r, c) {
    return h("td", {
      role: "gridcell",
      tabindex: r || c ? -1 : 0,
      "data-lm-suppress-shortcuts": "true",
      onclick: () => {
        this.move(r, c);
        this.toggle();
      },
      onfocus: () => this.move(r, c, false),
    });
  }

  // Moving and predicting

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const [r, c] = this.at;
    const [height, width] = [this.cells.length, this.cells[0].length];
    const to = {
      ArrowUp: [r - 1, c],
      ArrowDown: [r + 1, c],
      ArrowLeft: [r, c - 1],
      ArrowRight: [r, c + 1],
      Home: [r, 0],
      End: [r, width - 1],
      PageUp: [0, c],
      PageDown: [height - 1, c],
    }[event.key];
    const set = MATRIX_KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (to) this.move(Math.max(0, Math.min(to[0], height - 1)), Math.max(0, Math.min(to[1], width - 1)));
    else if (event.key === " " || event.key === "Enter") this.toggle();
    else if (set !== undefined) this.set(set);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  move(r, c, focus = true) {
    const [before, now] = [this.cells[this.at[0]][this.at[1]], this.cells[r][c]];
    before.tabIndex = -1;
    now.tabIndex = 0;
    this.at = [r, c];
    if (focus && document.activeElement !== now) now.focus({ preventScroll: false });
    this.drawWhy();
  }

  toggle() {
    if (this.outcome) return;
    const [r, c] = this.at;
    this.set(NEXT[this.model.get("guesses")[r][c]]);
  }

  set(guess) {
    if (this.outcome) return;
    const [r, c] = this.at;
    const guesses = this.model.get("guesses").map((line) => [...line]);
    guesses[r][c] = guess;
    this.model.set("guesses", guesses);
    this.model.save_changes();
    this.status.textContent = "";
    this.live.textContent = guess || "no prediction";
    this.drawCells();
  }

  setRest() {
    if (this.fillRest.getAttribute("aria-disabled") === "true") return;
    this.model.set("guesses", this.model.get("guesses").map((line) => line.map((guess) => guess || "holds")));
    this.model.save_changes();
    this.drawCells();
  }

  left() {
    return this.model.get("guesses").flat().filter((guess) => !guess).length;
  }

  reveal() {
    if (this.outcome) return;
    const left = this.left();
    if (left) {
      this.status.textContent = `${left} ${left === 1 ? "cell is" : "cells are"} still open.`;
      return;
    }
    ask(this.model, { kind: "reveal", guesses: this.model.get("guesses") }, "outcome", this.status);
  }

  // Drawing

  draw() {
    const outcome = this.outcome;
    const inside = this.root.contains(document.activeElement);
    fill(
      this.kind,
      outcome ? "Predicted" : "Predict",
      h("span", {}, outcome ? "locked" : "you cannot change it after the reveal"),
    );
    this.hint.hidden = Boolean(outcome);
    this.actions.hidden = Boolean(outcome);
    this.table.setAttribute("aria-readonly", String(Boolean(outcome)));
    this.drawCells();
    this.drawOutcome();
    this.drawWhy();
    if (outcome && inside) this.cells[this.at[0]][this.at[1]].focus({ preventScroll: true });
  }

  drawCells() {
    const guesses = this.model.get("guesses");
    const outcome = this.outcome;
    this.cells.forEach((line, r) =>
      line.forEach((cell, c) => {
        const guess = guesses[r][c];
        const truth = outcome?.cells[r][c].verdict;
        const right = truth === guess;
        const shown = truth || guess;
        cell.className = [shown || "open", outcome ? (right ? "right" : "wrong") : ""].join(" ");
        fill(
          cell,
          h("span", { class: "m-sign" }, SIGNS[shown]),
          outcome ? h("small", {}, right ? "as predicted" : `you said ${guess}`) : null,
        );
        const place = `${this.asked.rows[r].name}, stolen ${this.asked.columns[c].name}`;
        const words = outcome ? `${truth}, ${right ? "as you predicted" : `you predicted ${guess}`}` : guess ? `you predict ${guess}` : "not predicted";
        cell.setAttribute("aria-label", `${place}: ${words}`);
      }),
    );
    const all = guesses.flat().length;
    const left = this.left();
    this.count.textContent = `${all - left} of ${all} cells predicted`;
    setDisabled(this.button, left > 0);
    setDisabled(this.fillRest, left === 0 || left === all);
  }

  explain(r, c) {
    const cell = this.outcome.cells[r][c];
    return [
      cell.why ? h("p", {}, cell.why) : null,
      cell.steps.length ? h("ol", { class: "m-steps" }, ...cell.steps.map((step) => h("li", {}, step))) : null,
    ];
  }

  place(r, c) {
    return [h("b", {}, this.asked.rows[r].name), h("span", {}, ` · stolen: ${this.asked.columns[c].name}`)];
  }

  drawWhy() {
    const [r, c] = this.at;
    const outcome = this.outcome;
    const { detail } = this.asked.columns[c];
    fill(
      this.why,
      h("div", {}, ...this.place(r, c), outcome ? h("span", { class: `m-tag ${outcome.cells[r][c].verdict}` }, SIGNS[outcome.cells[r][c].verdict]) : null),
      detail ? h("p", { class: "p-none" }, detail) : null,
      ...(outcome ? this.explain(r, c) : []),
    );
  }

  drawOutcome() {
    const outcome = this.outcome;
    this.wrong.hidden = this.score.hidden = !outcome;
    if (!outcome) return;
    const { right, of } = outcome;
    const words = right === of ? "Every cell is right." : `${right} of ${of} cells are right.`;
    const rest = outcome.earlier ? " You predicted this earlier." : right < of ? " Choose a cell to see why; the wrong ones stand below." : "";
    fill(
      this.score,
      h("span", { class: right === of ? "m-all" : "" }, words),
      h("span", { class: "p-none" }, rest),
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
    const guesses = this.model.get("guesses");
    const wrong = this.cells.flatMap((line, r) => line.map((_, c) => [r, c]).filter(([, c]) => outcome.cells[r][c].verdict !== guesses[r][c]));
    fill(
      this.wrong,
      wrong.length ? h("div", { class: "p-parthead" }, "What the run shows instead") : null,
      ...wrong.map(([r, c]) =>
        h(
          "details",
          { class: "m-one", open: wrong.length <= 3 },
          h(
            "summary",
            { "data-lm-suppress-shortcuts": "true" },
            ...this.place(r, c),
            h("span", { class: `m-tag ${outcome.cells[r][c].verdict}` }, SIGNS[outcome.cells[r][c].verdict]),
          ),
          ...this.explain(r, c),
        ),
      ),
    );
    this.live.textContent = `${words}${rest}`;
  }
}

export default {
  render({ model, el }) {
    const matrix = new Matrix(model, el);
    const cells = () => matrix.drawCells();
    const all = () => matrix.draw();
    model.on("change:guesses", cells);
    model.on("change:outcome", all);
    return () => {
      model.off("change:guesses", cells);
      model.off("change:outcome", all);
    };
  },
};
