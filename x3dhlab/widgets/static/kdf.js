// The KDF workbench: rows of blocks. Every verdict below them comes from a run in the kernel.

const EARLIER = "M10 3 5 8l5 5";
const LATER = "m6 3 5 5-5 5";
const groups = (hex) => (hex.match(/.{1,8}/g) || []).join(" ");
const bytes = (number) => `${number} ${number === 1 ? "byte" : "bytes"}`;

class Workbench {
  constructor(model, el) {
    this.model = model;
    this.rows = model.get("rows");
    this.blocks = {};
    for (const row of this.rows)
      for (const block of row.blocks) this.blocks[`${row.name}/${block.name}`] = block;
    this.selected = null; // [row, block name]
    this.swapping = false;
    const title = model.get("title");
    this.root = rootOf(el, "kdf", `Workbench: ${title}`);
    this.live = h("div", { class: "x3dh-hidden", role: "status", "aria-live": "polite" });
    this.waiting = h("div", { class: "q-status", role: "status" });
    this.build(title);
    this.draw();
    this.drawReport();
  }

  // Building

  build(title) {
    this.lines = this.rows.map((row) => this.buildRow(row));
    this.tool = h("div", { class: "k-tool", role: "group", "aria-label": "The chosen block" });
    this.key = h("div", { class: "k-key", role: "status", "aria-live": "polite", "aria-atomic": "true" });
    this.findings = h("div", { class: "k-findings" });
    const side = `kdf-${this.root.dataset.number}`;
    this.sides = [
      ["both", "Alice and Bob"],
      ["one", "Alice only"],
    ].map(([value, words]) => {
      const input = h("input", { type: "radio", name: side, value, onchange: () => this.send("side", value) });
      return h("label", { class: "q-level" }, input, h("span", {}, words));
    });
    this.reset = h("button", { type: "button", class: "x3dh-button", onclick: () => this.startAgain() }, "Start again");
    this.root.append(
      h("div", { class: "q-kind" }, "Workbench"),
      h("div", { class: "p-title" }, title),
      h("div", { class: "k-rows" }, ...this.lines.map((line) => line.element)),
      this.tool,
      h(
        "div",
        { class: "k-side" },
        h("fieldset", {}, h("legend", {}, "Who uses this recipe?"), h("div", { class: "q-levels" }, ...this.sides)),
        this.reset,
      ),
      this.waiting,
      this.key,
      this.findings,
      this.live,
    );
  }

  buildRow(row) {
    const line = {
      row,
      size: h("small", {}),
      blocks: h("div", { class: "k-blocks", role: "group", "aria-label": `Blocks of ${row.name}` }),
    };
    line.element = h("div", { class: "k-row" }, h("div", { class: "k-name" }, h("b", {}, row.name), line.size), line.blocks);
    line.blocks.addEventListener("keydown", (event) => this.onKey(event, row.name));
    return line;
  }

  tile(row, [name, on, kept], place) {
    const block = this.blocks[`${row}/${name}`];
    const chosen = this.is(row, name);
    const cut = kept < block.size;
    const size = on ? (cut ? `${kept} of ${block.size}` : `${block.size}`) : "left out";
    const tile = h(
      "div",
      {
        class: ["k-block", on ? "" : "off", block.secret ? "secret" : "", block.separator ? "thin" : "", cut ? "cut" : ""].join(" "),
        role: "button",
        tabindex: chosen || (place === 0 && this.selected?.[0] !== row) ? 0 : -1,
        draggable: "true",
        "data-lm-suppress-shortcuts": "true",
        "data-block": `${row}/${name}`,
        "aria-pressed": String(chosen),
        "aria-label": `${name}, ${block.secret ? "secret, " : ""}${on ? (cut ? `first ${kept} of ${bytes(block.size)}` : bytes(block.size)) : "left out"}, place ${place + 1}`,
        title: block.meaning,
        onclick: () => this.press(row, name),
        ondragstart: (event) => {
          this.dragged = [row, name];
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", name);
          event.stopPropagation();
        },
        ondragover: (event) => {
          if (this.dragged?.[0] !== row) return;
          event.preventDefault();
          event.stopPropagation();
        },
        ondrop: (event) => {
          if (this.dragged?.[0] !== row) return;
          event.preventDefault();
          event.stopPropagation();
          const [, moved] = this.dragged;
          this.dragged = null;
          this.place(row, moved, place);
        },
      },
      h("span", { class: "k-label" }, block.separator && block.words ? `“${block.words}”` : name),
      h("small", {}, size),
    );
    return [place ? h("span", { class: "k-and", "aria-hidden": "true" }, "‖") : null, tile];
  }

  // Choosing and moving

  is(row, name) {
    return this.selected?.[0] === row && this.selected[1] === name;
  }

  press(row, name) {
    if (this.swapping && this.selected[0] === row && this.selected[1] !== name) {
      const first = this.selected[1];
      this.swapping = false;
      this.swap(row, first, name);
      return;
    }
    this.swapping = false;
    this.selected = this.is(row, name) ? null : [row, name];
    this.draw();
    this.focus(row, name);
    const words = this.selected ? `${name} chosen. ${this.blocks[`${row}/${name}`].meaning} The tools follow.` : "Nothing is chosen.";
    this.live.textContent = words;
  }

  focus(row, name) {
    this.root.querySelector(`[data-block="${CSS.escape(`${row}/${name}`)}"]`)?.focus({ preventScroll: true });
  }

  onKey(event, row) {
    const name = event.target.dataset.block?.slice(row.length + 1);
    if (!name || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const order = this.model.get("state")[row].map((block) => block[0]);
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = order.indexOf(name);
    if (way && event.altKey) this.place(row, name, Math.max(0, Math.min(here + way, order.length - 1)));
    else if (event.altKey) return;
    else if (way) this.rove(row, order[Math.max(0, Math.min(here + way, order.length - 1))]);
    else if (event.key === "Home") this.rove(row, order[0]);
    else if (event.key === "End") this.rove(row, order.at(-1));
    else if (event.key === "Enter" || event.key === " ") this.press(row, name);
    else if (event.key === "Delete" || event.key === "Backspace") this.toggle(row, name);
    else if (event.key === "Escape" && this.selected) this.escape(row, name);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  rove(row, name) {
    for (const tile of this.root.querySelectorAll(`[data-block^="${CSS.escape(row)}/"]`)) tile.tabIndex = -1;
    const tile = this.root.querySelector(`[data-block="${CSS.escape(`${row}/${name}`)}"]`);
    tile.tabIndex = 0;
    tile.focus({ preventScroll: true });
  }

  escape(row, name) {
    if (!this.swapping) this.selected = null;
    this.swapping = false;
    this.draw();
    this.focus(row, name);
    this.live.textContent = "Nothing is chosen.";
  }

  // Changing

  change(row, blocks, words, focus) {
    this.send("state", { ...this.model.get("state"), [row]: blocks });
    this.draw();
    this.live.textContent = words;
    if (focus) this.focus(row, focus);
  }

  toggle(row, name) {
    const blocks = this.model.get("state")[row].map(([n, on, kept]) => [n, n === name ? !on : on, kept]);
    const on = blocks.find((block) => block[0] === name)[1];
    const inTool = this.tool.contains(document.activeElement);
    this.change(row, blocks, `${name} is ${on ? "in" : "left out"}.`, inTool ? null : name);
    if (inTool) this.tool.querySelector("[data-tool=toggle]")?.focus({ preventScroll: true });
  }

  place(row, name, to, tool) {
    const blocks = this.model.get("state")[row].slice();
    const [moved] = blocks.splice(blocks.findIndex((block) => block[0] === name), 1);
    blocks.splice(to, 0, moved);
    this.change(row, blocks, `${name} is at place ${to + 1} of ${blocks.length}.`, tool ? null : name);
    if (tool) this.tool.querySelector(`[data-tool=${tool}]`)?.focus({ preventScroll: true });
  }

  swap(row, first, second) {
    const blocks = this.model.get("state")[row].slice();
    const [one, two] = [first, second].map((name) => blocks.findIndex((block) => block[0] === name));
    [blocks[one], blocks[two]] = [blocks[two], blocks[one]];
    this.selected = [row, first];
    this.change(row, blocks, `${first} and ${second} have changed places.`, first);
  }

  keep(row, name, length) {
    const blocks = this.model.get("state")[row].map(([n, on, kept]) => [n, on, n === name ? length : kept]);
    this.send("state", { ...this.model.get("state"), [row]: blocks });
    this.drawRows();
  }

  startAgain() {
    this.selected = null;
    this.swapping = false;
    this.model.set("side", "both");
    this.send("state", this.model.get("start"));
    this.draw();
    this.live.textContent = "This is the specification again.";
  }

  send(name, value) {
    clearTimeout(this.timer);
    this.waiting.textContent = "";
    this.timer = setTimeout(() => {
      this.waiting.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 3000);
    this.model.set(name, value);
    this.model.save_changes();
    // Nothing may have changed: then no report comes, and none is missing.
    if (name === "side") this.drawSide();
  }

  // Drawing

  draw() {
    this.drawRows();
    this.drawTool();
    this.drawSide();
  }

  drawRows() {
    const state = this.model.get("state");
    for (const { row, size, blocks } of this.lines) {
      const total = state[row.name].reduce((sum, [, on, kept]) => sum + (on ? kept : 0), 0);
      size.textContent = ` ${bytes(total)}`;
      blocks.replaceChildren(...state[row.name].flatMap((block, place) => this.tile(row.name, block, place)).filter(Boolean));
    }
  }

  drawTool() {
    this.tool.hidden = !this.selected;
    if (!this.selected) return;
    const [row, name] = this.selected;
    const block = this.blocks[`${row}/${name}`];
    const order = this.model.get("state")[row];
    const place = order.findIndex((other) => other[0] === name);
    const [, on, kept] = order[place];
    const button = (tool, label, action, ...inside) =>
      h("button", { type: "button", class: "x3dh-button", "data-tool": tool, "aria-label": inside[0] instanceof Node ? label : false, title: label, onclick: action }, ...inside);
    const earlier = button("earlier", "Earlier", () => place && this.place(row, name, place - 1, "earlier"), icon(EARLIER));
    const later = button("later", "Later", () => place < order.length - 1 && this.place(row, name, place + 1, "later"), icon(LATER));
    setDisabled(earlier, place === 0);
    setDisabled(later, place === order.length - 1);
    const swap = button("swap", "Swap with another block of this row", () => {
      this.swapping = !this.swapping;
      this.drawTool();
      this.tool.querySelector("[data-tool=swap]").focus({ preventScroll: true });
      this.live.textContent = this.swapping ? "Choose the block to swap with." : "No swap.";
    }, "Swap with …");
    swap.setAttribute("aria-pressed", String(this.swapping));
    const id = `kdf-keep-${this.root.dataset.number}`;
    const shown = h("output", { for: id }, `${kept} of ${block.size}`);
    const range = h("input", {
      id,
      type: "range",
      min: 0,
      max: block.size,
      value: kept,
      oninput: () => {
        shown.textContent = `${range.value} of ${block.size}`;
        this.keep(row, name, Number(range.value));
      },
    });
    fill(
      this.tool,
      h("div", { class: "k-what" }, padlock(!block.secret), h("strong", {}, name), h("span", {}, block.meaning)),
      h("div", { class: "k-hex" }, block.words ? `“${block.words}” ` : "", groups(block.hex), block.size * 2 > block.hex.length ? " …" : ""),
      h(
        "div",
        { class: "k-tools" },
        button("toggle", on ? "Leave out" : "Put in", () => this.toggle(row, name), on ? "Leave out" : "Put in"),
        earlier,
        later,
        swap,
        h("span", { class: "k-keep" }, h("label", { for: id }, "keep the first bytes"), range, shown),
      ),
      this.swapping ? h("p", { class: "k-hint" }, "Now choose the other block in the same row.") : null,
    );
  }

  drawSide() {
    for (const label of this.sides) {
      const input = label.querySelector("input");
      input.checked = input.value === this.model.get("side");
    }
    const same = JSON.stringify(this.model.get("state")) === JSON.stringify(this.model.get("start"));
    setDisabled(this.reset, same && this.model.get("side") === "both");
  }

  drawReport() {
    clearTimeout(this.timer);
    this.waiting.textContent = "";
    const { verdict, mark, sentence, key, expected, findings, same } = this.model.get("report");
    this.key.className = `k-key e-outcome ${verdict}`;
    fill(
      this.key,
      h("p", { class: "e-verdict" }, h("span", { "aria-hidden": "true" }, `${mark} `), sentence, " ", this.summary(findings)),
      key ? h("dl", {}, h("dt", {}, "this key"), h("dd", { class: "k-hex" }, groups(key))) : null,
      key && !same ? h("dl", {}, h("dt", {}, "specification"), h("dd", { class: "k-hex" }, groups(expected))) : null,
    );
    const open = findings.filter((finding) => finding.verdict === "falls");
    const held = findings.filter((finding) => finding.verdict !== "falls");
    fill(this.findings, ...this.list("What goes wrong", open), ...this.list("What holds", held));
  }

  summary(findings) {
    const open = findings.filter((finding) => finding.verdict === "falls").length;
    if (!findings.length) return "";
    return open === 0 ? "Everything that was tried holds." : `Of ${findings.length} things that were tried, ${open} ${open === 1 ? "goes" : "go"} wrong.`;
  }

  list(title, findings) {
    if (!findings.length) return [];
    return [
      h("div", { class: "p-parthead" }, `${title} (${findings.length})`),
      h("ul", {}, ...findings.map((finding) => h("li", {}, this.finding(finding)))),
    ];
  }

  finding({ name, number, verdict, mark, sentence, facts }) {
    // What was opened by hand stays open when the run is made anew.
    this.opened ??= new Map();
    const box = h(
      "details",
      { class: `k-finding ${verdict}`, open: this.opened.get(name) ?? verdict === "falls" },
      h(
        "summary",
        { "data-lm-suppress-shortcuts": "true", onclick: () => this.opened.set(name, !box.open) },
        h("span", { class: "k-mark", "aria-hidden": "true" }, mark),
        h("b", {}, name),
        number ? h("span", { class: "q-badge" }, number) : null,
        h("span", { class: "k-says" }, sentence),
      ),
      h("dl", {}, ...facts.flatMap(([key, fact]) => [h("dt", {}, key), h("dd", {}, fact)])),
    );
    return box;
  }
}

export default {
  render({ model, el }) {
    const bench = new Workbench(model, el);
    const onReport = () => bench.drawReport();
    const onState = () => {
      const inside = bench.root.contains(document.activeElement);
      if (!inside) bench.draw();
    };
    model.on("change:report", onReport);
    model.on("change:state", onState);
    model.on("change:side", onState);
    return () => {
      clearTimeout(bench.timer);
      model.off("change:report", onReport);
      model.off("change:state", onState);
      model.off("change:side", onState);
    };
  },
};
