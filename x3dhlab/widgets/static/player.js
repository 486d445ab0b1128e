// The protocol player. All it shows comes from `run`, the plain data that Python made.

const MARKS = [
  "M8 1.5c3.6 0 6 1 6 2.4v8.2c0 1.4-2.4 2.4-6 2.4s-6-1-6-2.4V3.9c0-1.4 2.4-2.4 6-2.4z",
  "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z",
  "M3.5 1.5h9a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2v-9a2 2 0 0 1 2-2z",
  "M4.5 1.5h7L15.5 8l-4 6.5h-7L.5 8z",
  "M8 .3 15.7 8 8 15.7.3 8z",
  "M8 .8 15.6 6.4 12.7 15.2H3.3L.4 6.4z",
];
const ICONS = {
  first: "M12 3 7 8l5 5M4 3v10",
  back: "M10 3 5 8l5 5",
  next: "m6 3 5 5-5 5",
  last: "m4 3 5 5-5 5M12 3v10",
  play: "M5 3v10l8-5z",
  pause: "M5.5 3v10M10.5 3v10",
  zoom: "M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2zM10.8 10.8l3.7 3.7",
};
const PLAY_EVERY = 1800; // milliseconds
const HEX_BYTES = 48; // bytes of a value that are shown, unless the step is enlarged
const CHIP_LIMIT = 16; // chips in one part of a lane, before it is folded
const STRIP_LIMIT = 150; // steps; beyond it the slider alone shows the place

/** The shape and initial of a lane: a lane is never known by its colour alone. */
function mark(lane, initial) {
  return s(
    "svg",
    { class: "p-mark", viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: MARKS[lane.colour] || MARKS[1], fill: `var(--c${lane.colour})` }),
    s("text", { x: 8, y: 11.2, "text-anchor": "middle" }, initial),
  );
}

/** Hex in groups of four bytes, cut after `limit` bytes. */
function hexGroups(hex, size, limit = 64) {
  const [head, tail] = hex.split("…");
  const shown = head.slice(0, 2 * limit);
  const groups = (shown.match(/.{1,8}/g) || []).map((group) => h("span", {}, group));
  const left = size - shown.length / 2;
  if (left > 0) groups.push(h("span", { class: "p-more" }, `… ${left} more bytes`));
  return h("span", { class: "p-hex" }, ...groups.flatMap((group) => [group, " "]));
}

class Player {
  constructor(model, el) {
    this.model = model;
    this.root = rootOf(el, "player", model.get("title") || "Protocol player");
    this.root.tabIndex = -1;
    this.read();
    this.build();
    this.show(this.index, true);
  }

  read() {
    this.run = this.model.get("run");
    this.steps = this.run.steps || [];
    this.values = this.run.values || {};
    this.lanes = this.run.lanes || [];
    this.index = Math.max(0, Math.min(this.model.get("index"), this.steps.length - 1));
    this.laneOf = Object.fromEntries(this.lanes.map((lane, number) => [lane.name, number]));
    this.initials = this.lanes.map((lane) => [...lane.name][0]?.toUpperCase() || "?");
    const names = [...new Set(Object.values(this.values).map((value) => value.name))]
      .filter((name) => name && !name.startsWith('"'))
      .sort((a, b) => b.length - a.length)
      .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    this.named = names.length ? new RegExp(`(?<![\\w])(${names.join("|")})(?![\\w])`, "u") : null;
    this.selected = "";
    this.zoomed = false;
    this.drawn = [];
    this.unfolded = new Set();
  }

  // Building

  build() {
    const title = this.model.get("title");
    this.live = h("div", { class: "x3dh-hidden", "aria-live": "polite", role: "status" });
    this.count = h("span", { class: "p-count" });
    const head = h(
      "header",
      { class: "p-head" },
      h("div", { class: "p-title" }, title || "A recorded run"),
      this.count,
    );
    if (!this.steps.length) {
      const words = "Nothing was recorded. Put the run inside the block that records it.";
      this.root.append(head, h("p", { class: "p-empty" }, words), this.live);
      this.count.textContent = "0 steps";
      return;
    }
    this.root.append(head, this.buildBar(), this.buildMain(), this.live);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  buildBar() {
    const button = (name, label, action) =>
      h("button", { type: "button", class: "x3dh-button", "aria-label": label, title: label, onclick: action }, icon(ICONS[name]));
    this.buttons = {
      first: button("first", "First step", () => this.go(0)),
      back: button("back", "Step back", () => this.go(this.index - 1)),
      next: button("next", "Step forward", () => this.go(this.index + 1)),
      last: button("last", "Last step", () => this.go(this.steps.length - 1)),
      play: button("play", "Play", () => this.toggle()),
      zoom: button("zoom", "Zoom to this step", () => this.zoom(!this.zoomed)),
    };
    this.buttons.zoom.setAttribute("aria-pressed", "false");
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: this.steps.length - 1,
      step: 1,
      "aria-label": "Step",
      oninput: () => this.go(Number(this.slider.value)),
    });
    this.strip = h("div", { class: "p-strip", "aria-hidden": "true" });
    if (this.steps.length <= STRIP_LIMIT) {
      this.strip.append(
        ...this.steps.map((step) =>
          h("span", {
            style: `--c:var(--c${step.colour})`,
            class: step.error ? "bad" : step.message ? "sent" : "",
          }),
        ),
      );
    }
    const { first, back, next, last, play, zoom } = this.buttons;
    return h(
      "div",
      { class: "p-bar" },
      h("div", { class: "p-buttons", role: "group", "aria-label": "Steps" }, first, back, next, last, play),
      zoom,
      h("div", { class: "p-slide" }, this.strip, this.slider),
    );
  }

  buildMain() {
    this.list = h("ol", { class: "p-list", "aria-label": "All steps" });
    this.rows = this.steps.map((step, number) => this.buildRow(step, number));
    this.list.append(...this.rows.map((row) => h("li", {}, row)));
    this.now = h("div", { class: "p-now" });
    this.track = h("div", { class: "p-track", "aria-hidden": "true" });
    this.boxes = this.lanes.map((lane) =>
      h("div", { class: "p-lane", role: "group", "aria-label": `What ${lane.name} has`, style: `--c:var(--c${lane.colour})` }),
    );
    const heads = this.lanes.map((lane, number) =>
      h(
        "div",
        { class: "p-lanehead", style: `--c:var(--c${lane.colour})` },
        mark(lane, this.initials[number]),
        h("span", { class: "p-lanename", title: lane.name }, lane.name),
      ),
    );
    this.heads = heads;
    this.bytes = h("div", { class: "p-bytes" });
    const scene = h(
      "div",
      { class: "p-scene", style: `--lanes:${this.lanes.length}` },
      h("div", { class: "p-row p-headrow" }, ...heads),
      this.track,
      h("div", { class: "p-row" }, ...this.boxes),
    );
    const frame = h("div", { class: "p-scroll", role: "group", "aria-label": "Lanes" }, scene);
    if (this.lanes.length > 4) {
      frame.tabIndex = 0;
      frame.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    return h(
      "div",
      { class: "p-main" },
      h("div", { class: "p-side" }, this.list),
      h("div", { class: "p-stage" }, this.now, frame, this.bytes),
    );
  }

  /** One row of the list: a line of the sequence diagram, and the step's title. */
  buildRow(step, number) {
    const gap = Math.min(15, 60 / Math.max(1, this.lanes.length));
    const x = (name) => 7 + gap * (this.laneOf[name] ?? 0);
    const width = 14 + gap * (this.lanes.length - 1);
    const shapes = this.lanes.map((lane) =>
      s("path", { d: `M${x(lane.name)} 0V30`, class: "p-line" }),
    );
    const colour = `var(--c${step.colour})`;
    if (step.message) {
      const [from, to] = [x(step.message.sender), x(step.message.recipient)];
      const towards = to > from ? 1 : -1;
      shapes.push(
        s("path", { d: `M${from} 15H${to - 5 * towards}`, stroke: colour, "stroke-width": 2 }),
        s("path", { d: `M${to} 15l${-6 * towards}-4v8z`, fill: colour }),
      );
    } else {
      shapes.push(s("circle", { cx: x(step.actor), cy: 15, r: 4.5, fill: colour }));
    }
    const label = step.message ? step.title : `${step.actor}: ${step.title}`;
    return h(
      "button",
      { type: "button", tabindex: -1, "aria-label": `${number + 1}. ${label}${step.error ? ", refused" : ""}`, onclick: () => this.go(number) },
      s("svg", { viewBox: `0 0 ${width} 30`, width, height: 30, "aria-hidden": "true" }, ...shapes),
      h("span", { class: "p-n" }, String(number + 1)),
      h("span", { class: step.error ? "p-t bad" : "p-t" }, step.title),
    );
  }

  // Moving

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "z" || (event.key === "Escape" && this.zoomed)) {
      event.preventDefault();
      event.stopPropagation();
      this.zoom(!this.zoomed);
      return;
    }
    const inList = this.list.contains(event.target);
    const moves = { ArrowRight: 1, ArrowLeft: -1, ...(inList ? { ArrowDown: 1, ArrowUp: -1 } : {}) };
    const last = this.steps.length - 1;
    let target = null;
    if (event.key in moves) target = this.index + moves[event.key];
    else if (event.key === "Home") target = 0;
    else if (event.key === "End") target = last;
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.go(target);
    if (inList) this.rows[this.index].focus({ preventScroll: true });
  }

  go(target, keepPlaying = false) {
    if (!keepPlaying) this.stop();
    const index = Math.max(0, Math.min(target, this.steps.length - 1));
    if (index === this.index) return;
    this.show(index);
    this.model.set("index", index);
    this.model.save_changes();
  }

  /** Show the current step alone and larger, or everything again. */
  zoom(on) {
    this.zoomed = on;
    this.root.classList.toggle("p-zoomed", on);
    this.buttons.zoom.setAttribute("aria-pressed", String(on));
    // What had the focus may be hidden now.
    if (on) this.buttons.zoom.focus({ preventScroll: true });
    this.selected = "";
    this.markSelected();
    this.showBytes();
    this.live.textContent = on ? `Enlarged: ${this.announcement(this.steps[this.index])}` : "All lanes are shown.";
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.index === this.steps.length - 1) this.go(0);
    this.timer = setInterval(() => {
      if (this.index >= this.steps.length - 1 || !this.root.isConnected) this.stop();
      else this.go(this.index + 1, true);
    }, PLAY_EVERY);
    this.showPlay();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.showPlay();
  }

  showPlay() {
    if (!this.buttons) return;
    const label = this.timer ? "Pause" : "Play";
    this.buttons.play.replaceChildren(icon(ICONS[label.toLowerCase()]));
    this.buttons.play.setAttribute("aria-label", label);
    this.buttons.play.title = label;
  }

  // Showing

  show(index, first = false) {
    const before = this.index;
    this.index = index;
    if (!this.steps.length) return;
    this.selected = "";
    const step = this.steps[index];
    this.count.textContent = `Step ${index + 1} of ${this.steps.length}`;
    setDisabled(this.buttons.first, index === 0);
    setDisabled(this.buttons.back, index === 0);
    setDisabled(this.buttons.next, index === this.steps.length - 1);
    setDisabled(this.buttons.last, index === this.steps.length - 1);
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", `Step ${index + 1} of ${this.steps.length}: ${step.title}`);
    this.strip.children[before]?.classList.remove("on");
    this.strip.children[index]?.classList.add("on");
    this.showRow(before, index);
    this.showNow(step);
    this.showTrack(step);
    this.showLanes();
    this.showBytes();
    if (!first) this.live.textContent = this.announcement(step);
  }

  announcement(step) {
    const who = step.message ? "" : `${step.actor}. `;
    return `Step ${this.index + 1} of ${this.steps.length}. ${who}${step.title}. ${step.formula.join(". ")}. ${step.sentence} ${step.section}`;
  }

  showRow(before, index) {
    this.rows[before].removeAttribute("aria-current");
    this.rows[before].tabIndex = -1;
    const row = this.rows[index];
    row.setAttribute("aria-current", "step");
    row.tabIndex = 0;
    // Scroll the list only: the notebook must stay where it is.
    const top = row.offsetTop - this.list.offsetTop;
    if (top < this.list.scrollTop + 30) this.list.scrollTop = top - 60;
    else if (top + row.offsetHeight > this.list.scrollTop + this.list.clientHeight - 30)
      this.list.scrollTop = top + row.offsetHeight - this.list.clientHeight + 60;
  }

  showNow(step) {
    const lane = this.lanes[this.laneOf[step.actor]] || { colour: 0 };
    this.now.style.setProperty("--c", `var(--c${lane.colour})`);
    this.now.classList.toggle("bad", Boolean(step.error));
    // A name may stand for both halves of a pair: this step says which half it means.
    this.secretNames = new Set(
      [...step.inputs, ...(step.message ? [] : step.outputs)]
        .map((id) => this.values[id])
        .filter((value) => value.secret)
        .map((value) => value.name),
    );
    fill(
      this.now,
      h(
        "div",
        { class: "p-what" },
        mark(lane, this.initials[this.laneOf[step.actor]] || "?"),
        h("strong", {}, step.message ? step.title : `${step.actor}: ${step.title}`),
        step.section ? h("span", { class: "p-section" }, step.section) : null,
      ),
      h("div", { class: "p-formula" }, ...step.formula.flatMap((line) => this.formulaLine(line))),
      step.error ? h("p", { class: "p-error" }, `✗ ${step.error}`) : null,
      h("p", { class: "p-sentence" }, step.sentence),
      step.learned
        ? h("p", { class: "p-learned" }, h("b", {}, "The server learns: "), step.learned)
        : null,
    );
  }

  formulaLine(line) {
    const at = line.indexOf(" = ");
    if (at < 0) return [h("div", { class: "p-whole" }, ...this.tokens(line))];
    return [
      h("div", { class: "p-left" }, ...this.tokens(line.slice(0, at))),
      h("div", { class: "p-right" }, h("span", { class: "p-eq" }, " = "), ...this.tokens(line.slice(at + 3))),
    ];
  }

  /** The named values of a formula get their padlock colour. */
  tokens(text) {
    if (!this.named) return [text];
    return text.split(this.named).map((part, number) =>
      number % 2 ? h("span", { class: this.secretNames.has(part) ? "p-val secret" : "p-val" }, part) : part,
    );
  }

  showTrack(step) {
    const place = (name) => ((this.laneOf[name] + 0.5) / this.lanes.length) * 100;
    const lines = this.lanes.map((lane) =>
      h("i", { class: "p-life", style: `left:${place(lane.name)}%;--c:var(--c${lane.colour})` }),
    );
    this.heads.forEach((head, number) => {
      const name = this.lanes[number].name;
      const ends = step.message ? [step.message.sender, step.message.recipient] : [step.actor];
      head.classList.toggle("on", ends.includes(name));
    });
    if (!step.message) {
      const at = place(step.actor);
      const dot = h("span", { class: "p-dot", style: `left:${at}%;--c:var(--c${step.colour})` });
      this.track.replaceChildren(...lines, dot);
      return;
    }
    const [from, to] = [place(step.message.sender), place(step.message.recipient)];
    const [left, right] = [Math.min(from, to), Math.max(from, to)];
    const arrow = h(
      "div",
      {
        class: `p-arrow ${to < from ? "leftwards" : ""}`,
        style: `left:${left}%;width:${right - left}%;--c:var(--c${step.colour})`,
      },
      h("span", { class: "p-label" }, step.message.what, h("span", {}, ` · ${step.message.size} bytes`)),
      h("span", { class: "p-shaft" }),
    );
    this.track.replaceChildren(...lines, arrow);
  }

  /** Play the changes up to this step: for each lane, value → state. */
  states() {
    const states = this.lanes.map(() => new Map());
    const now = this.lanes.map(() => new Set());
    for (let number = 0; number <= this.index; number++) {
      for (const [lane, value, state] of this.steps[number].changes) {
        const place = this.laneOf[lane];
        if (place === undefined) continue;
        states[place].set(value, state);
        if (number === this.index) now[place].add(value);
      }
    }
    return { states, now };
  }

  showLanes() {
    const focused = this.root.contains(document.activeElement) ? document.activeElement.dataset.chip : "";
    const { states, now } = this.states();
    const step = this.steps[this.index];
    const used = new Set(step.inputs);
    this.boxes.forEach((box, number) => {
      const lane = this.lanes[number];
      const chips = [...states[number]].map(([id, state]) => ({
        id,
        state,
        fresh: now[number].has(id),
        used: used.has(id) && step.actor === lane.name,
        value: this.values[id],
      }));
      // Most steps change one lane: a lane that would look the same stays as it is.
      const looks = chips.map(({ id, state, fresh, used }) => `${id} ${state} ${fresh} ${used}`);
      const drawn = [this.index * lane.server, this.unfolded.size, ...looks].join();
      if (drawn === this.drawn[number]) return;
      this.drawn[number] = drawn;
      box.replaceChildren(...this.sections(lane, chips));
    });
    if (focused) this.root.querySelector(`[data-chip="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.markSelected();
  }

  sections(lane, chips) {
    const kept = chips.filter(({ state, fresh }) => state === "holds" || (state === "gone" && fresh));
    const parts = lane.server
      ? [
          ["Stores", null, kept],
          ["Has seen", null, chips.filter(({ state }) => state === "saw")],
        ]
      : [
          ["Secret", false, kept.filter(({ value }) => value.secret)],
          ["Public", true, kept.filter(({ value }) => !value.secret)],
        ];
    const made = parts
      .filter(([, , some]) => some.length)
      .map(([name, open, some]) =>
        h(
          "div",
          { class: "p-part" },
          h("div", { class: "p-parthead" }, open === null ? null : padlock(open), name),
          h("div", { class: "p-chips" }, ...this.chips(lane, some, name)),
        ),
      );
    if (lane.server) made.push(this.learned());
    const deleted = chips.filter(({ state }) => state === "deleted");
    if (deleted.length) made.push(this.deleted(deleted));
    return made.length ? made.filter(Boolean) : [h("div", { class: "p-none" }, "nothing yet")];
  }

  /** Chips in order of the run; a batch of keys that this step does not touch is one chip. */
  chips(lane, some, part) {
    const batches = new Map();
    const out = [];
    for (const chip of some) {
      const { batch, part } = chip.value;
      const key = `${batch}/${part}/${chip.state}/${chip.fresh}`;
      if (!batch || chip.used) out.push([chip]);
      else if (batches.has(key)) batches.get(key).push(chip);
      else {
        batches.set(key, [chip]);
        out.push(batches.get(key));
      }
    }
    const key = `${lane.name}/${part}`;
    if (out.length <= CHIP_LIMIT || this.unfolded.has(key)) return out.map((group) => this.chip(lane, group));
    const touched = ([chip]) => chip.fresh || chip.used;
    const shown = new Set([...out.filter(touched).slice(-CHIP_LIMIT), ...out.slice(8 - CHIP_LIMIT)]);
    return [this.unfold(key, out.length - shown.size), ...out.filter((group) => shown.has(group)).map((group) => this.chip(lane, group))];
  }

  /** A button that opens the older values of a long part. */
  unfold(key, count) {
    const open = () => {
      this.unfolded.add(key);
      this.showLanes();
      this.root.focus({ preventScroll: true });
    };
    return h("button", { type: "button", class: "p-unfold", "data-chip": key, onclick: open }, `Show ${count} more`);
  }

  chip(lane, group) {
    const [{ id, state, fresh, used, value }] = group;
    const several = group.length > 1;
    const name = several ? value.batch : value.name;
    const tag = several ? `× ${group.length}` : value.name.includes(value.tag) ? "" : value.tag;
    const secret = value.secret ? "secret" : "public";
    const pair = value.part === "pair";
    const words = [
      `${name} ${tag}`.trim(),
      pair ? `key pair: public half open, private half ${value.secret ? "secret" : "known to everybody"}` : secret,
      value.meaning,
      fresh ? (state === "gone" ? "sent or used up in this step" : state === "saw" ? "passed on in this step" : "new in this step") : "",
      used ? "used in this step" : "",
    ];
    return h(
      "button",
      {
        type: "button",
        class: ["p-chip", secret, fresh ? "fresh" : "", used ? "used" : "", state].join(" "),
        "data-chip": `${lane.name}/${id}`,
        "data-value": id,
        "aria-pressed": "false",
        "aria-label": words.filter(Boolean).join(", "),
        title: value.meaning,
        onclick: () => this.select(id),
      },
      h("span", { class: "p-glyph" }, value.glyph),
      h("span", { class: "p-name" }, name, tag ? h("small", {}, ` ${tag}`) : ""),
      // The bytes of a pair are those of its public half: the open padlock belongs to them.
      several || value.role === "text"
        ? ""
        : h("span", { class: "p-peek", title: pair ? "public half" : null }, pair ? padlock(true) : null, (value.public || value.hex).slice(0, 6)),
      padlock(!value.secret),
    );
  }

  learned() {
    const facts = this.steps.slice(0, this.index + 1).map((step) => step.learned).filter(Boolean);
    if (!facts.length) return null;
    const shown = facts.slice(-4);
    const more = facts.length - shown.length;
    return h(
      "div",
      { class: "p-part" },
      h("div", { class: "p-parthead" }, "Knows now"),
      h(
        "ul",
        { class: "p-facts" },
        more ? h("li", { class: "p-more" }, `… ${more} earlier`) : null,
        ...shown.map((fact) => h("li", {}, fact)),
      ),
    );
  }

  deleted(chips) {
    const shown = chips.sort((one, other) => one.fresh - other.fresh).slice(-CHIP_LIMIT);
    const more = chips.length - shown.length;
    const names = shown.map(({ value, fresh }) =>
      h("s", { class: fresh ? "fresh" : "" }, value.tag && !value.name.includes(value.tag) ? `${value.name} ${value.tag}` : value.name),
    );
    return h(
      "div",
      { class: "p-part p-gone" },
      h("div", { class: "p-parthead" }, "Deleted"),
      h("div", {}, more ? `${more} earlier, ` : "", ...names.flatMap((name) => [name, " "])),
    );
  }

  select(id) {
    this.selected = this.selected === id ? "" : id;
    this.markSelected();
    this.showBytes();
  }

  markSelected() {
    for (const chip of this.root.querySelectorAll(".p-chip"))
      chip.setAttribute("aria-pressed", String(chip.dataset.value === this.selected));
  }

  showBytes() {
    const step = this.steps[this.index];
    const rows = [];
    let title = "Bytes of this step";
    if (this.selected) {
      const value = this.values[this.selected];
      title = `Bytes of ${value.name}: ${value.meaning}`;
      rows.push(...this.valueRows(value, ""));
    } else if (step.message) {
      rows.push(...step.message.fields.map((field) => this.row("", field.name, field.size, field.hex, this.values[field.value])));
    } else {
      for (const [side, ids] of [["in", step.inputs], ["out", step.outputs]])
        for (const id of ids.slice(0, 8)) rows.push(...this.valueRows(this.values[id], side));
    }
    this.bytes.replaceChildren(
      h("div", { class: "p-parthead" }, title),
      rows.length ? h("dl", {}, ...rows) : h("div", { class: "p-none" }, "No bytes to show."),
    );
  }

  valueRows(value, side) {
    if (value.part !== "pair") return [this.row(side, value.name, value.size, value.hex, value)];
    const out = [this.row(side, `${value.name} private`, value.size, value.hex, value)];
    if (side !== "in") {
      const open = { ...value, secret: false };
      out.push(this.row(side, `${value.name} public`, value.public.length / 2, value.public, open));
    }
    return out;
  }

  row(side, name, size, hex, value) {
    const known = value && value.name !== name && !name.startsWith(value.name) ? ` (${value.name})` : "";
    const words = { in: "used", out: "made" }[side] || "";
    return h(
      "div",
      { class: `p-byte ${value?.secret ? "secret" : ""}` },
      h(
        "dt",
        {},
        words ? h("span", { class: `p-side-${side}` }, words) : null,
        value ? padlock(!value.secret) : null,
        h("span", { class: "x3dh-hidden" }, value ? (value.secret ? "secret " : "public ") : ""),
        `${name}${known}`,
        h("small", {}, ` ${size} ${size === 1 ? "byte" : "bytes"}`),
        this.zoomed && value?.meaning ? h("div", { class: "p-meaning" }, value.meaning) : null,
      ),
      h("dd", {}, hexGroups(hex, size, this.zoomed ? hex.length : HEX_BYTES)),
    );
  }
}

export default {
  render({ model, el }) {
    let player = new Player(model, el);
    const onIndex = () => {
      const index = model.get("index");
      if (index !== player.index && player.steps[index]) player.show(index);
    };
    const onRun = () => {
      player.stop();
      el.replaceChildren();
      player = new Player(model, el);
    };
    model.on("change:index", onIndex);
    model.on("change:run", onRun);
    return () => {
      player.stop();
      model.off("change:index", onIndex);
      model.off("change:run", onRun);
    };
  },
};
