// The byte inspector: labelled hex. Labels, origins and verdicts all come from Python.

const FOLD = 96; // bytes of a long field that are shown before it is opened
const FEW = 14; // fields of a long list that are shown before it is opened
const GROUP = 4;
const hex2 = (value) => value.toString(16).padStart(2, "0");
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

class Inspector {
  constructor(model, el) {
    this.model = model;
    this.message = model.get("message");
    this.fields = this.message.fields;
    this.original = this.bytesOf(this.message.hex);
    this.offset = 0;
    this.typed = "";
    this.opened = new Set();
    this.long = new Set();
    this.all = false;
    const title = model.get("title") || `One ${this.message.kind}`;
    this.root = rootOf(el, "inspector", `Bytes: ${title}`);
    this.live = h("div", { class: "x3dh-hidden", role: "status", "aria-live": "polite" });
    this.build(title);
    this.read();
  }

  bytesOf(hex) {
    return Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  }

  // Building

  build(title) {
    const { message } = this;
    const facts = [message.kind, count(message.size, "byte"), message.route].filter(Boolean);
    this.root.append(
      h("header", { class: "b-head" }, h("div", { class: "p-title" }, title), h("div", { class: "b-facts" }, facts.join(" · "))),
    );
    if (message.problem) this.root.append(h("p", { class: "b-problem" }, message.problem));
    if (!this.fields.length) {
      this.root.append(h("p", { class: "p-empty" }, "There are no bytes to show."), this.live);
      this.drawResult = () => {};
      return;
    }
    this.grid = h("div", {
      class: "b-grid",
      role: "grid",
      "aria-label": "Fields and their bytes. Arrow keys move; type two hex digits to change a byte.",
    });
    this.panel = h("div", { class: "b-about" });
    this.outcome = h("div", { class: "b-outcome", role: "status", "aria-live": "polite", "aria-atomic": "true" });
    this.waiting = h("div", { class: "q-status", role: "status" });
    this.root.append(
      h(
        "div",
        { class: "b-main" },
        this.grid,
        h("div", { class: "b-panel" }, this.panel, this.buildEditor()),
      ),
      h("div", { class: "b-foot" }, this.waiting, this.outcome),
      this.live,
    );
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
    this.grid.addEventListener("click", (event) => {
      const byte = event.target.closest("[data-at]");
      if (byte) this.go(Number(byte.dataset.at), true);
    });
    this.grid.addEventListener("pointerover", (event) => this.hover(event.target));
    this.grid.addEventListener("pointerleave", () => this.about(this.place(this.offset)));
    this.grid.addEventListener("focusin", (event) => {
      const first = event.target.dataset?.first;
      if (first === undefined) return;
      const last = Number(first) + event.target.children.length - 1;
      if (this.offset < Number(first) || this.offset > last) this.go(Number(first));
    });
  }

  buildEditor() {
    const id = `bytes-${this.root.dataset.number}`;
    this.where = h("label", { for: id, class: "b-where" });
    this.input = h("input", {
      id,
      type: "text",
      maxlength: 2,
      size: 2,
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => {
        if (/^[0-9a-f]{2}$/i.test(this.input.value)) this.change(parseInt(this.input.value, 16));
      },
      onblur: () => this.drawEditor(),
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault();
        this.cell()?.focus();
      },
    });
    this.decimal = h("span", { class: "b-decimal" });
    this.bits = [7, 6, 5, 4, 3, 2, 1, 0].map((bit) =>
      h("button", { type: "button", onclick: () => this.change(this.data[this.offset] ^ (1 << bit)) }),
    );
    this.undo = h("button", { type: "button", class: "x3dh-button", onclick: () => this.takeBack(1) }, "Undo");
    this.compare = h(
      "button",
      { type: "button", class: "x3dh-button", "aria-pressed": "false", onclick: () => this.toggleCompare() },
      "Compare",
    );
    this.reset = h("button", { type: "button", class: "x3dh-button", onclick: () => this.takeBack(Infinity) }, "Reset all");
    return h(
      "div",
      { class: "b-editor" },
      h("div", { class: "b-line" }, this.where, this.input, this.decimal),
      h("div", { class: "b-bits", role: "group", "aria-label": "Bits, the highest first. A click flips one." }, ...this.bits),
      h("div", { class: "b-line" }, this.undo, this.reset, this.compare),
    );
  }

  // Data

  read() {
    this.result = this.model.get("result");
    this.data = this.original.slice();
    for (const [offset, value] of this.model.get("edits")) this.data[offset] = value;
    if (!this.fields.length) return;
    this.drawGrid();
    this.draw();
    this.drawResult();
  }

  /** The innermost shown field at an offset. */
  place(offset) {
    let found = 0;
    this.fields.forEach((field, place) => {
      const inside = field.offset <= offset && offset < field.offset + field.length;
      if (inside && (field.parent < 0 || this.opened.has(field.parent))) found = place;
    });
    return found;
  }

  shown(place) {
    const { parent } = this.fields[place];
    if (parent >= 0) return this.opened.has(parent);
    return this.all || this.fields.length <= FEW + 6 || place < FEW;
  }

  has(place) {
    return this.fields.some((field) => field.parent === place);
  }

  /** "public", "secret", or "partly secret" for a field with sealed bytes and others inside. */
  state({ sealed, length }) {
    return sealed ? (sealed < length ? "partly secret" : "secret") : "public";
  }

  changed(from, length) {
    for (let at = from; at < from + length; at++) if (this.data[at] !== this.original[at]) return true;
    return false;
  }

  // The grid

  drawGrid() {
    const rows = this.fields.flatMap((field, place) => (this.shown(place) ? [this.row(field, place)] : []));
    const hidden = this.fields.filter((field, place) => field.parent < 0 && !this.shown(place)).length;
    if (hidden) {
      const open = h(
        "button",
        { type: "button", class: "x3dh-button b-more", onclick: () => ((this.all = true), this.redraw()) },
        `Show ${hidden} more fields`,
      );
      rows.push(h("div", { role: "row" }, h("div", { role: "gridcell" }, open)));
    }
    this.grid.replaceChildren(...rows);
  }

  redraw() {
    this.drawGrid();
    this.draw();
    this.cell()?.focus({ preventScroll: true });
  }

  row(field, place) {
    const open = this.opened.has(place);
    const inside = this.has(place);
    const state = this.state(field);
    const head = h(
      "div",
      { class: "b-name", role: "rowheader" },
      padlock(!field.sealed),
      h(
        "span",
        {},
        h("span", { class: "x3dh-hidden" }, `${state} `),
        h("b", {}, field.name),
        h("small", {}, ` ${count(field.length, "byte")}${state === "partly secret" ? `, ${field.sealed} sealed` : ""}`),
        inside
          ? h(
              "button",
              { type: "button", class: "b-open", "aria-expanded": String(open), "aria-label": `${open ? "Collapse" : "Expand"} ${field.name}`, onclick: () => this.toggle(place) },
              open ? "collapse" : "expand",
            )
          : null,
      ),
    );
    const kind = ["b-row", state.replace("partly secret", "partly"), field.parent >= 0 ? "inner" : "", this.changed(field.offset, field.length) && !open ? "edited" : ""];
    return h(
      "div",
      { class: kind.join(" "), role: "row", "data-place": place },
      head,
      h("div", { class: "b-cells", role: "presentation" }, ...(open ? [this.folded(field)] : this.cells(field, place))),
      !open && this.comparing && this.changed(field.offset, field.length) ? this.before(field, place) : null,
    );
  }

  /** The original bytes of a field, under the edited ones. Each changed byte also says what it was. */
  before(field, place) {
    const end = this.long.has(place) ? field.length : Math.min(field.length, FOLD);
    const groups = [];
    for (let at = 0; at < end; at += GROUP) {
      const bytes = [...this.original.subarray(field.offset + at, field.offset + Math.min(at + GROUP, field.length))];
      groups.push(h("span", { class: "b-group" }, ...bytes.map((byte, n) => {
        const was = this.data[field.offset + at + n] !== byte;
        return h("span", { class: was ? "b-byte old" : "b-byte" }, hex2(byte));
      })));
    }
    return h("div", { class: "b-before", "aria-hidden": "true" }, h("span", {}, "original"), h("div", { class: "b-cells" }, ...groups));
  }

  toggleCompare() {
    this.comparing = !this.comparing;
    this.compare.setAttribute("aria-pressed", String(this.comparing));
    this.drawGrid();
    this.draw();
    this.live.textContent = this.comparing ? "Original bytes stand below edited fields." : "Original bytes are hidden.";
  }

  folded(field) {
    return h("div", { class: "b-note", role: "gridcell" }, `Its ${count(field.length, "byte")} follow, field by field.`);
  }

  cells(field, place) {
    if (!field.length) return [h("div", { class: "b-note", role: "gridcell" }, "no bytes")];
    const end = this.long.has(place) ? field.length : Math.min(field.length, FOLD);
    const out = [];
    for (let at = 0; at < end; at += GROUP) out.push(this.group(field, field.offset + at, Math.min(GROUP, field.length - at)));
    if (end < field.length) {
      const more = () => (this.long.add(place), this.redraw());
      out.push(
        h("div", { role: "gridcell", class: "b-rest" }, h("button", { type: "button", class: "b-open", onclick: more }, `${field.length - end} more bytes`)),
      );
    }
    return out;
  }

  group(field, first, length) {
    const bytes = [];
    for (let at = first; at < first + length; at++) {
      const was = this.data[at] !== this.original[at];
      bytes.push(
        h(
          "span",
          { class: was ? "b-byte was" : "b-byte", "data-at": at, "data-was": was ? hex2(this.original[at]) : false },
          hex2(this.data[at]),
        ),
      );
    }
    const last = first + length - 1;
    const words = bytes.map((byte) => byte.textContent + (byte.dataset.was ? `, was ${byte.dataset.was}` : ""));
    const label = `${field.name}, ${first === last ? `byte ${first}` : `bytes ${first} to ${last}`}: ${words.join(" ")}`;
    return h("div", { class: "b-group", role: "gridcell", tabindex: -1, "data-first": first, "aria-label": label }, ...bytes);
  }

  toggle(place) {
    if (this.opened.has(place)) this.opened.delete(place);
    else this.opened.add(place);
    const { offset, name } = this.fields[place];
    this.offset = offset;
    this.drawGrid();
    this.draw();
    this.grid.querySelector(`[data-place="${place}"] .b-open`).focus({ preventScroll: true });
    this.live.textContent = this.opened.has(place) ? `${name} is expanded.` : `${name} is collapsed.`;
  }

  cell() {
    return this.byte()?.parentElement;
  }

  byte() {
    return this.grid.querySelector(`[data-at="${this.offset}"]`);
  }

  // Moving

  onKey(event) {
    if (event.target.closest("button")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "z") {
      event.preventDefault();
      event.stopPropagation();
      this.takeBack(1);
      return;
    }
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const target = this.target(event.key);
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (target !== null) this.go(target, true);
  }

  /** Where a key leads: an offset, null if it was handled otherwise, undefined if it means nothing. */
  target(key) {
    const field = this.fields[this.place(this.offset)];
    const end = this.original.length - 1;
    if (key === "ArrowRight") return Math.min(end, this.offset + 1);
    if (key === "ArrowLeft") return Math.max(0, this.offset - 1);
    if (key === "ArrowDown") return this.beside(1);
    if (key === "ArrowUp") return this.beside(-1);
    if (key === "Home") return field.offset;
    if (key === "End") return field.offset + field.length - 1;
    if (key === "Enter") return this.input.focus(), this.input.select(), null;
    if (key === "Escape" && this.typed) return (this.typed = ""), this.draw(), null;
    if (key === "Delete" || key === "Backspace") return this.change(this.original[this.offset]), null;
    if (/^[0-9a-f]$/i.test(key)) return this.type(key), null;
    return undefined;
  }

  /** The first byte of the next or the previous shown field. */
  beside(way) {
    const here = this.place(this.offset);
    const places = this.fields.map((_, place) => place).filter((place) => this.shown(place) && !this.opened.has(place) && this.fields[place].length);
    const next = places[places.indexOf(here) + way];
    return next === undefined ? this.offset : this.fields[next].offset;
  }

  type(key) {
    this.typed += key.toLowerCase();
    if (this.typed.length < 2) {
      this.draw();
      this.live.textContent = `${this.typed}: type the second digit.`;
      return;
    }
    const value = parseInt(this.typed, 16);
    this.typed = "";
    this.change(value);
  }

  go(offset, focus = false) {
    const before = this.place(this.offset);
    this.offset = offset;
    this.typed = "";
    const place = this.place(offset);
    if (!this.byte()) {
      // The way leads into folded bytes: unfold them.
      if (!this.shown(place)) this.all = true;
      this.long.add(place);
      this.drawGrid();
    }
    this.draw();
    const cell = this.cell();
    if (focus && cell !== document.activeElement) {
      cell.focus({ preventScroll: true });
      this.reveal(cell);
    }
    const field = this.fields[place];
    const byte = `byte ${offset}: ${hex2(this.data[offset])}`;
    this.live.textContent = before === place ? byte : `${field.name}, ${count(field.length, "byte")}. ${field.meaning} ${byte}`;
  }

  /** Scroll the bytes only: the notebook must stay where it is. */
  reveal(cell) {
    const [box, view] = [cell.getBoundingClientRect(), this.grid.getBoundingClientRect()];
    if (box.top < view.top + 8) this.grid.scrollTop -= view.top + 8 - box.top;
    if (box.bottom > view.bottom - 8) this.grid.scrollTop += box.bottom - view.bottom + 8;
  }

  hover(target) {
    const row = target.closest?.("[data-place]");
    // Where the panel stands below the bytes, its height would move the page under the pointer.
    if (row && this.root.clientWidth > 800) this.about(Number(row.dataset.place));
  }

  // Changing

  change(value) {
    this.typed = "";
    if (value === this.data[this.offset]) return this.draw();
    this.send([...this.model.get("edits"), [this.offset, value]]);
    this.live.textContent = `byte ${this.offset} is now ${hex2(value)}.`;
  }

  takeBack(number) {
    const edits = this.model.get("edits");
    if (!edits.length) return;
    const left = edits.slice(0, Math.max(0, edits.length - number));
    if (number === 1) this.offset = edits.at(-1)[0];
    this.send(left);
    this.live.textContent = left.length ? "Undone." : "All bytes are as they were.";
  }

  send(edits) {
    const inside = this.grid.contains(document.activeElement);
    clearTimeout(this.timer);
    this.waiting.textContent = "";
    this.outcome.setAttribute("aria-busy", "true");
    this.outcome.classList.add("stale");
    this.timer = setTimeout(() => {
      this.waiting.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 3000);
    // The bytes first: a change of the model that is on the page already needs no drawing.
    this.data = this.original.slice();
    for (const [offset, value] of edits) this.data[offset] = value;
    this.model.set("edits", edits);
    this.model.save_changes();
    const scrolled = this.grid.scrollTop;
    this.drawGrid();
    this.grid.scrollTop = scrolled;
    this.draw();
    if (inside) this.cell()?.focus({ preventScroll: true });
  }

  // Drawing

  draw() {
    for (const old of this.grid.querySelectorAll(".b-byte.on, .b-row.on")) old.classList.remove("on");
    for (const old of this.grid.querySelectorAll('.b-group[tabindex="0"]')) old.tabIndex = -1;
    const byte = this.byte();
    if (byte) {
      byte.classList.add("on");
      byte.textContent = this.typed ? `${this.typed}_` : hex2(this.data[this.offset]);
      byte.parentElement.tabIndex = 0;
      byte.closest(".b-row").classList.add("on");
    } else this.grid.querySelector(".b-group")?.setAttribute("tabindex", "0");
    this.about(this.place(this.offset));
    this.drawEditor();
  }

  about(place) {
    if (this.told === place && this.panel.childElementCount) return;
    this.told = place;
    const field = this.fields[place];
    const facts = [
      ["Value", field.value],
      ["Read by", field.who],
      ["Made by", field.origin],
    ].filter(([, words]) => words);
    fill(
      this.panel,
      h("div", { class: "b-field" }, padlock(!field.sealed), h("strong", {}, field.name)),
      h("p", {}, field.meaning),
      h("dl", {}, ...facts.flatMap(([name, words]) => [h("dt", {}, name), h("dd", { class: name === "Made by" ? "b-made" : "" }, words)])),
    );
  }

  drawEditor() {
    const value = this.data[this.offset];
    this.where.textContent = `Byte ${this.offset} of ${this.original.length}`;
    if (this.input.value.toLowerCase() !== hex2(value)) this.input.value = hex2(value);
    this.decimal.textContent = `= ${value}${this.changed(this.offset, 1) ? `, was ${hex2(this.original[this.offset])}` : ""}`;
    this.bits.forEach((button, place) => {
      const bit = 7 - place;
      const on = (value >> bit) & 1;
      const was = (this.original[this.offset] >> bit) & 1;
      button.textContent = String(on);
      button.className = on === was ? "" : "was";
      button.setAttribute("aria-label", `bit ${bit} is ${on}`);
    });
    const none = !this.model.get("edits").length;
    setDisabled(this.undo, none);
    setDisabled(this.reset, none);
    setDisabled(this.compare, none && !this.comparing);
  }

  drawResult() {
    clearTimeout(this.timer);
    this.waiting.textContent = "";
    this.outcome.removeAttribute("aria-busy");
    const { verdict, mark, sentence, error, step, field, passed, changed } = this.result;
    this.outcome.className = `b-outcome e-outcome ${verdict || "note"}`;
    this.outcome.hidden = !sentence;
    if (!sentence) return;
    const facts = [
      ["refused by", [error, step].filter(Boolean).join(", ")],
      ["field", field],
      ["changed", this.differences(changed)],
    ].filter(([, words]) => words);
    fill(
      this.outcome,
      h("p", { class: "e-verdict" }, h("span", { "aria-hidden": "true" }, `${mark} `), sentence),
      facts.length ? h("dl", {}, ...facts.flatMap(([name, words]) => [h("dt", {}, name), h("dd", {}, words)])) : null,
      passed?.length ? h("ol", { class: "b-passed", "aria-label": "What the receiver did" }, ...passed.map((words) => this.passed(words))) : null,
    );
  }

  passed(words) {
    const refused = words.startsWith("✗");
    return h("li", { class: refused ? "bad" : "" }, refused ? words : `✓ ${words}`);
  }

  differences(changed) {
    const now = this.bytesOf(this.result.hex);
    const some = changed.slice(0, 6).map((at) => `byte ${at}: ${hex2(this.original[at])} → ${hex2(now[at])}`);
    return some.join(", ") + (changed.length > 6 ? `, … ${changed.length} in all` : "");
  }
}

export default {
  render({ model, el }) {
    let inspector = new Inspector(model, el);
    const onResult = () => {
      inspector.result = model.get("result");
      inspector.drawResult();
    };
    const onEdits = () => {
      const made = inspector.original.slice();
      for (const [offset, value] of model.get("edits")) made[offset] = value;
      if (String(made) !== String(inspector.data)) inspector.read();
    };
    const onMessage = () => {
      el.replaceChildren();
      inspector = new Inspector(model, el);
    };
    model.on("change:result", onResult);
    model.on("change:edits", onEdits);
    model.on("change:message", onMessage);
    return () => {
      clearTimeout(inspector.timer);
      model.off("change:result", onResult);
      model.off("change:edits", onEdits);
      model.off("change:message", onMessage);
    };
  },
};
