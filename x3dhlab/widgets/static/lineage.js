// Key lineage: a graph of values, a list of messages, and the proof of what an attacker reads.
// Python places the nodes and computes what falls; this file draws it and passes on the clicks.

const STATE_WORDS = {
  leaked: "leaked",
  falls: "falls",
  secret: "secret",
  public: "public",
  read: "falls",
  holds: "holds",
};
const FOUND = 8; // search results shown at once
const LEAST = 0.84; // how far the picture may shrink, so that its text stays readable

class Lineage {
  constructor(model, el) {
    this.model = model;
    this.root = rootOf(el, "lineage", model.get("title") || "Key lineage");
    this.root.tabIndex = -1;
    this.graph = model.get("graph");
    this.nodes = this.graph.nodes || {};
    this.step = 0;
    this.selected = "";
    this.live = h("div", { class: "x3dh-hidden", "aria-live": "polite", role: "status" });
    this.build();
  }

  build() {
    const count = Object.keys(this.nodes).length;
    const head = h(
      "header",
      { class: "p-head" },
      h("div", { class: "p-title" }, this.model.get("title") || "Key lineage"),
      h("span", { class: "p-count" }, `${count} values, ${this.graph.operations} operations`),
    );
    if (!count) {
      const words = "Nothing was recorded that one could leak. Put the run inside the block that records it.";
      this.root.append(head, h("p", { class: "p-empty" }, words));
      return;
    }
    this.outcome = h("p", { class: "l-outcome", "aria-live": "polite" });
    this.stale = h("span", { class: "q-status", role: "status" });
    this.canvas = h("div", { class: "l-canvas", role: "group", "aria-label": "Derivation graph" });
    this.details = h("div", { class: "l-details", role: "group", "aria-label": "Chosen value" });
    this.list = h("ul", { class: "l-list", "aria-label": "Messages" });
    this.proof = h("div", { class: "l-proof", role: "group", "aria-label": "Proof" });
    const hint = "A click leaks a secret, and a second click takes it back. With the keyboard: arrows move, Enter leaks.";
    this.root.append(
      head,
      this.buildBar(),
      h(
        "div",
        { class: "l-main" },
        h("div", { class: "l-stage" }, h("p", { class: "l-hint" }, hint), this.canvas, this.details),
        h("div", { class: "l-side" }, this.outcome, h("div", { class: "p-parthead" }, "Messages"), this.list, this.proof),
      ),
      this.live,
    );
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("keydown", (event) => this.onListKey(event));
    this.buildList();
    this.selected = (this.model.get("scene").nodes[0] || {}).id || "";
    this.drawScene();
    this.drawAttack();
    this.drawVerdict(true);
  }

  buildBar() {
    const id = `lineage-${this.root.dataset.number}`;
    this.results = h("div", { class: "l-results", role: "group", "aria-label": "Found values" });
    this.search = h("input", {
      id,
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "SK, CK3, hello …",
      oninput: () => this.find(),
      onkeydown: (event) => {
        if (event.key === "Enter") this.results.querySelector("button")?.click();
        else if (event.key === "Escape") {
          event.preventDefault();
          this.clearSearch();
        }
      },
    });
    this.whole = h("button", { type: "button", class: "x3dh-button", onclick: () => this.lookAround("") }, "Show the start");
    this.reset = h("button", { type: "button", class: "x3dh-button", onclick: () => this.takeBack() }, "Take all back");
    this.thefts = this.graph.thefts.map((name) =>
      h(
        "button",
        { type: "button", class: "x3dh-button l-theft", "aria-pressed": "false", "data-theft": name, onclick: () => this.steal(name) },
        h("span", { "aria-hidden": "true" }, "✗"),
        ` ${name}`,
      ),
    );
    return h(
      "div",
      { class: "l-bar" },
      h("div", { class: "l-find" }, h("label", { for: id }, "Find"), this.search),
      this.whole,
      this.reset,
      this.stale,
      this.thefts.length ? h("div", { class: "l-thefts", role: "group", "aria-label": "Steal" }, h("span", {}, "Steal:"), ...this.thefts) : null,
      this.results,
    );
  }

  buildList() {
    this.rows = this.graph.messages.map((id) => {
      const node = this.nodes[id];
      const state = h("span", { class: "l-state" });
      const row = h(
        "button",
        { type: "button", tabindex: -1, "data-node": id, "aria-pressed": "false", onclick: () => this.choose(id) },
        h("span", { class: "l-mname" }, node.name),
        h("span", { class: "l-mtext" }, node.text),
        state,
      );
      row.state = state;
      return row;
    });
    if (this.rows.length) this.rows[0].tabIndex = 0;
    fill(
      this.list,
      this.rows.length ? this.rows.map((row) => h("li", {}, row)) : h("li", { class: "p-none" }, "No message was sealed."),
    );
  }

  // What is asked of Python

  ask(changes) {
    const same = (name) => JSON.stringify(this.model.get(name)) === JSON.stringify(changes[name]);
    const names = Object.keys(changes).filter((name) => !same(name));
    if (!names.length) return;
    for (const name of names) this.model.set(name, changes[name]);
    this.model.save_changes();
    clearTimeout(this.timer);
    this.stale.textContent = "";
    this.timer = setTimeout(() => {
      this.stale.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 3000);
  }

  answered() {
    clearTimeout(this.timer);
    this.stale.textContent = "";
  }

  leak(id) {
    const leaked = this.model.get("leaked");
    // The value itself answers at once; what falls with it follows from the kernel.
    if (leaked.includes(id)) this.sets.leaked.delete(id);
    else this.sets.leaked.add(id);
    if (this.boxes.has(id)) this.drawBox(id, this.boxes.get(id), new Set());
    this.ask({ leaked: leaked.includes(id) ? leaked.filter((other) => other !== id) : [...leaked, id] });
  }

  steal(name) {
    const stolen = this.model.get("stolen");
    this.ask({ stolen: stolen.includes(name) ? stolen.filter((other) => other !== name) : [...stolen, name] });
  }

  takeBack() {
    if (this.reset.getAttribute("aria-disabled") === "true") return;
    this.ask({ leaked: [], stolen: [] });
  }

  lookAround(id) {
    if (!id && this.whole.getAttribute("aria-disabled") === "true") return;
    if (id) this.selected = id;
    this.ask({ around: id });
  }

  unfold(id) {
    this.ask({ opened: [...this.model.get("opened"), id] });
  }

  choose(id) {
    this.step = 0;
    this.goTo(id);
    if (this.model.get("chosen") === id) this.drawVerdict();
    else this.ask({ chosen: id });
  }

  /** Show a node: in the picture if it is there, else by moving the picture. */
  goTo(id) {
    if (this.boxes.has(id)) this.select(id);
    else this.lookAround(id);
  }

  /** The box that stands for a node: its own, or that of its folded chain; "" if there is none. */
  shown(id) {
    return this.boxes.has(id) ? id : this.boxes.has(this.foldOf[id]) ? this.foldOf[id] : "";
  }

  // Drawing

  stateOf(id) {
    const { leaked, fallen, read } = this.sets;
    const node = this.nodes[id];
    if (node.message) return read.has(id) ? "read" : "holds";
    if (!node.secret) return "public";
    return leaked.has(id) ? "leaked" : fallen.has(id) ? "falls" : "secret";
  }

  drawScene() {
    const scene = this.model.get("scene");
    const focused = this.canvas.contains(document.activeElement);
    this.scene = scene;
    this.boxes = new Map();
    this.foldOf = {};
    for (const place of scene.nodes)
      if (place.fold) for (const member of place.fold.members) this.foldOf[member] = place.id;
    this.paths = scene.edges.map(([from, to, d]) => ({ from, to, path: s("path", { d, class: "l-edge" }) }));
    const boxes = scene.nodes.map((place) => this.box(place));
    const svg = s(
      "svg",
      { viewBox: `0 0 ${scene.width} ${scene.height}`, width: scene.width, height: scene.height },
      ...this.paths.map(({ path }) => path),
      ...boxes,
    );
    // A picture that is a little too wide shrinks; a much wider one scrolls.
    svg.style.width = `max(${Math.round(LEAST * scene.width)}px, min(100%, ${scene.width}px))`;
    svg.style.height = "auto";
    this.canvas.replaceChildren(svg);
    this.svg = svg;
    const open = this.model.get("around") === "";
    setDisabled(this.whole, open);
    this.whole.hidden = scene.whole && open;
    if (!this.boxes.has(this.selected)) this.selected = this.foldOf[this.selected] || scene.nodes[0]?.id || "";
    if (this.sets) this.drawAttack();
    this.select(this.selected, focused);
  }

  box(place) {
    const [width, height] = this.graph.box;
    const node = this.nodes[place.id];
    const name = place.fold ? place.fold.name : node.name;
    const bar = (height - 10) / Math.max(1, node.colours.length);
    const chars = [...name];
    const long = chars.length > 9; // such a name takes the place of the glyph
    const lock = padlock(false);
    for (const [key, value] of Object.entries({ x: width - 18, y: height - 18, width: 12, height: 12 })) lock.setAttribute(key, value);
    const small = s("text", { class: "l-small", x: 14, y: 34 });
    const group = s(
      "g",
      { class: "l-node", transform: `translate(${place.x - width / 2} ${place.y})`, role: "button", tabindex: -1, "data-node": place.id },
      s("title", {}, place.fold ? `${place.fold.messages} messages, folded` : [node.meaning, node.text].filter(Boolean).join(": ")),
      s("rect", { class: "l-ring", x: -3.5, y: -3.5, width: width + 7, height: height + 7, rx: 11 }),
      s("rect", { class: "l-box", width, height, rx: 8 }),
      ...node.colours.map((colour, n) => s("rect", { x: 5, y: 5 + n * bar, width: 4, height: bar, fill: `var(--c${colour})` })),
      ...(long ? [] : this.glyph(node.glyph, width)),
      s("text", { class: long ? "l-name long" : "l-name", x: 14, y: 18 }, chars.length > 15 ? `${chars.slice(0, 14).join("")}…` : name),
      small,
      lock,
    );
    group.setAttribute("data-lm-suppress-shortcuts", "true");
    if (place.more) group.append(this.moreMark(place, width, height));
    group.addEventListener("click", () => this.press(place.id));
    group.addEventListener("focus", () => this.select(place.id));
    this.boxes.set(place.id, { place, group, small, lock, name });
    return group;
  }

  glyph(words, width) {
    return [
      s("rect", { class: "l-glyph", x: width - 32, y: 5, width: 27, height: 15, rx: 4 }),
      s("text", { class: "l-kind", x: width - 18.5, y: 15.8, "text-anchor": "middle" }, words),
    ];
  }

  /** How many neighbours the picture leaves out. A click moves the picture there. */
  moreMark(place, width, height) {
    const mark = s(
      "g",
      { class: "l-more", transform: `translate(${width - 12} ${height + 3})`, "aria-hidden": "true" },
      s("rect", { x: -15, y: -8, width: 30, height: 16, rx: 8 }),
      s("text", { "text-anchor": "middle", y: 4 }, `+${place.more}`),
    );
    mark.addEventListener("click", (event) => {
      event.stopPropagation();
      this.lookAround(place.id);
    });
    return mark;
  }

  drawAttack() {
    const attack = this.model.get("attack");
    this.sets = { leaked: new Set(attack.leaked), fallen: new Set(attack.fallen), read: new Set(attack.read) };
    const lost = new Set([...attack.leaked, ...attack.fallen, ...attack.read]);
    const some = attack.leaked.length + this.model.get("stolen").length > 0;
    if (this.outcome.textContent !== attack.sentence) this.outcome.textContent = attack.sentence;
    this.outcome.className = `l-outcome ${attack.read.length ? "falls" : some ? "holds" : ""}`;
    setDisabled(this.reset, !some);
    for (const button of this.thefts)
      button.setAttribute("aria-pressed", String(this.model.get("stolen").includes(button.dataset.theft)));
    for (const [id, box] of this.boxes) this.drawBox(id, box, lost);
    const bad = (id) => lost.has(id) || this.boxes.get(id)?.place.fold?.members.some((member) => lost.has(member));
    for (const { from, to, path } of this.paths) path.setAttribute("class", bad(from) && bad(to) ? "l-edge bad" : "l-edge");
    for (const row of this.rows) {
      const read = this.sets.read.has(row.dataset.node);
      row.className = read ? "read" : "holds";
      row.state.textContent = read ? "✗ falls" : "✓ holds";
    }
    this.drawDetails();
  }

  drawBox(id, { place, group, small, lock, name }, lost) {
    const node = this.nodes[id];
    let state = this.stateOf(id);
    let words = { leaked: "✗ leaked", falls: "✗ falls", read: "✗ falls", holds: "✓ holds" }[state] || node.actors.join(" + ");
    if (place.fold) {
      const read = place.fold.members.filter((member) => this.sets.read.has(member)).length;
      state = place.fold.members.some((member) => lost.has(member)) ? "falls" : "secret";
      words = read ? `✗ ${read} of ${place.fold.messages} fall` : `${place.fold.messages} messages`;
    }
    const open = state === "public" || state === "leaked" || state === "falls" || state === "read";
    if (lock.dataset.open !== String(open)) {
      lock.replaceChildren(...padlock(open).childNodes);
      lock.dataset.open = open;
    }
    const marked = [...group.classList].filter((mark) => mark === "used" || mark === "made" || mark === "on");
    group.setAttribute("class", ["l-node", state, node.message ? "message" : "", place.fold ? "fold" : "", ...marked].join(" "));
    small.textContent = words.length > 18 ? `${words.slice(0, 17)}…` : words;
    if (!place.fold && state !== "public") {
      const pressed = node.message ? this.model.get("chosen") === id : state === "leaked";
      group.setAttribute("aria-pressed", String(pressed));
    }
    const label = place.fold
      ? `${name}, a folded chain of ${place.fold.messages} messages, ${words}. Enter unfolds it.`
      : [name, node.text, node.meaning, node.actors.join(" and "), STATE_WORDS[state], place.more ? `${place.more} neighbours not shown` : ""]
          .filter(Boolean)
          .join(", ");
    group.setAttribute("aria-label", label);
  }

  select(id, focus = false) {
    if (!this.boxes.has(id)) return;
    const before = this.boxes.get(this.selected);
    before?.group.setAttribute("tabindex", "-1");
    before?.group.classList.remove("on");
    this.selected = id;
    const { group } = this.boxes.get(id);
    group.setAttribute("tabindex", "0");
    group.classList.add("on");
    if (focus) group.focus({ preventScroll: true });
    this.reveal(id);
    this.drawDetails();
  }

  /** Scroll the drawing only: the notebook must stay where it is. */
  reveal(id) {
    const { place } = this.boxes.get(id);
    const [width, height] = this.graph.box;
    const view = this.canvas;
    const scale = this.svg.clientWidth / this.scene.width || 1;
    const [left, right] = [scale * (place.x - width / 2) - 16, scale * (place.x + width / 2) + 16];
    const [top, bottom] = [scale * place.y - 16, scale * (place.y + height) + 24];
    if (left < view.scrollLeft) view.scrollLeft = left;
    else if (right > view.scrollLeft + view.clientWidth) view.scrollLeft = right - view.clientWidth;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (bottom > view.scrollTop + view.clientHeight) view.scrollTop = bottom - view.clientHeight;
  }

  press(id) {
    this.select(id);
    const { place } = this.boxes.get(id);
    const node = this.nodes[id];
    if (place.fold) this.unfold(id);
    else if (node.message) this.choose(id);
    else if (node.secret) this.leak(id);
    else this.live.textContent = `${node.name} is public already.`;
  }

  // Keys

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      event.stopPropagation();
      this.press(this.selected);
      return;
    }
    const target = this.neighbour(event.key);
    if (!target) return;
    event.preventDefault();
    event.stopPropagation();
    this.select(target, true);
  }

  neighbour(key) {
    const places = this.scene.nodes;
    const here = places.find((place) => place.id === this.selected);
    if (!here) return places[0]?.id;
    const nearest = (some) => some.sort((a, b) => Math.abs(a.x - here.x) - Math.abs(b.x - here.x))[0]?.id;
    const row = (number) => nearest(places.filter((place) => place.row === number));
    if (key === "ArrowUp") return row(here.row - 1);
    if (key === "ArrowDown") return row(here.row + 1);
    if (key === "ArrowLeft") return nearest(places.filter((place) => place.row === here.row && place.x < here.x));
    if (key === "ArrowRight") return nearest(places.filter((place) => place.row === here.row && place.x > here.x));
    if (key === "Home") return row(0);
    if (key === "End") return row(Math.max(...places.map((place) => place.row)));
    return "";
  }

  onListKey(event) {
    const at = this.rows.indexOf(event.target.closest("button"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || !this.rows[to] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.rows[at].tabIndex = -1;
    this.rows[to].tabIndex = 0;
    this.rows[to].focus();
  }

  // Search

  find() {
    const words = this.search.value.trim().toLowerCase();
    const all = words ? Object.values(this.nodes).filter((node) => `${node.name} ${node.text}`.toLowerCase().includes(words)) : [];
    const rank = (node) => (node.name.toLowerCase() === words ? 0 : node.name.toLowerCase().startsWith(words) ? 1 : 2);
    const found = all.sort((a, b) => rank(a) - rank(b)).slice(0, FOUND);
    const more = all.length - found.length;
    fill(
      this.results,
      ...found.map((node) =>
        h("button", { type: "button", class: "l-found", onclick: () => this.pick(node.id) }, node.name, node.text ? h("small", {}, ` ${node.text}`) : null),
      ),
      more > 0 ? h("span", { class: "p-none" }, `and ${more} more`) : null,
      words && !all.length ? h("span", { class: "p-none" }, `No value is called “${this.search.value.trim()}”.`) : null,
    );
    this.live.textContent = words ? `${all.length} found` : "";
  }

  pick(id) {
    this.clearSearch();
    if (this.boxes.has(id)) this.select(id, true);
    else {
      this.canvas.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
      this.lookAround(id);
    }
  }

  clearSearch() {
    this.search.value = "";
    this.results.replaceChildren();
  }

  // The chosen value

  drawDetails() {
    const box = this.boxes.get(this.selected);
    const node = this.nodes[this.selected];
    if (!node || !this.sets) return;
    const state = this.stateOf(node.id);
    const focused = this.details.contains(document.activeElement) ? document.activeElement.dataset.action : "";
    const action = (name, words, run) => h("button", { type: "button", class: "x3dh-button", "data-action": name, onclick: run }, words);
    const buttons = [];
    if (box.place.fold) buttons.push(action("press", "Unfold this chain", () => this.unfold(node.id)));
    else if (node.message) buttons.push(action("press", "Show the verdict", () => this.choose(node.id)));
    else if (node.secret) buttons.push(action("press", state === "leaked" ? "Take it back" : "Leak it", () => this.leak(node.id)));
    if (!this.scene.whole || this.model.get("around"))
      buttons.push(action("look", "Look around it", () => this.lookAround(node.id)));
    fill(
      this.details,
      h(
        "div",
        { class: "l-what" },
        h("strong", {}, box.place.fold ? box.name : node.name),
        node.text ? h("span", { class: "l-quote" }, node.text) : null,
        h("span", { class: `l-tag ${state}` }, STATE_WORDS[state]),
        h("span", { class: "l-buttons" }, ...buttons),
      ),
      h("p", {}, box.place.fold ? `One chain with ${box.place.fold.messages} messages, folded.` : this.about(node)),
      box.place.fold ? null : h("div", { class: "l-formula" }, ...node.made.map((line) => h("div", {}, line))),
      box.place.fold ? null : h("div", { class: "l-hex" }, ...(node.hex.match(/.{1,8}/g) || []).flatMap((part) => [h("span", {}, part), " "])),
    );
    if (focused) this.details.querySelector(`[data-action="${focused}"]`)?.focus({ preventScroll: true });
  }

  about(node) {
    const meaning = node.meaning || (node.name.startsWith("ratchet DH") ? "Diffie-Hellman output of a ratchet step" : "value of this run");
    const who = node.actors.join(" and ") || "the program";
    return `${meaning[0].toUpperCase()}${meaning.slice(1)}. ${node.pair ? "A key pair of" : "Made by"} ${who}, ${node.size} bytes.`;
  }

  // The verdict on one message

  drawVerdict(first = false) {
    const verdict = this.model.get("verdict");
    const chosen = this.model.get("chosen");
    for (const row of this.rows) row.setAttribute("aria-pressed", String(row.dataset.node === chosen));
    this.unmark();
    const focused = this.proof.contains(document.activeElement) ? document.activeElement.dataset.action : "";
    if (!verdict || !verdict.id) {
      fill(this.proof, this.rows.length ? h("p", { class: "p-none" }, "Choose a message to see its proof, or what is missing.") : null);
      return;
    }
    const node = this.nodes[verdict.id];
    if (verdict.readable) this.drawProof(node, verdict, first);
    else this.drawMissing(node, verdict, first);
    if (focused) (this.proof.querySelector(`[data-action="${focused}"]`) || this.proof.querySelector("button"))?.focus({ preventScroll: true });
  }

  drawProof(node, verdict, first) {
    const steps = verdict.steps;
    this.step = Math.max(0, Math.min(this.step, steps.length - 1));
    const step = steps[this.step];
    const go = (name, label, words, to) => {
      const button = h("button", { type: "button", class: "x3dh-button", "data-action": name, "aria-label": label, onclick: () => this.goStep(to) }, words);
      setDisabled(button, to < 0 || to >= steps.length);
      return button;
    };
    fill(
      this.proof,
      h("div", { class: "l-verdict falls" }, `✗ ${node.name} falls`),
      h("p", {}, "The attacker reads ", h("b", {}, verdict.text), ". The proof, from public bytes and leaked values alone:"),
      h(
        "div",
        { class: "l-steps" },
        go("back", "Previous operation", icon("M10 3 5 8l5 5"), this.step - 1),
        h("span", { class: "p-count" }, `Operation ${this.step + 1} of ${steps.length}`),
        go("next", "Next operation", icon("m6 3 5 5-5 5"), this.step + 1),
      ),
      h("div", { class: "l-formula" }, step.formula),
      h("p", {}, step.why),
      h(
        "div",
        { class: "l-hex" },
        h("small", {}, `${step.size} bytes: `),
        ...(step.hex.match(/.{1,8}/g) || []).flatMap((part) => [h("span", {}, part), " "]),
        step.size * 2 > step.hex.length ? "…" : null,
      ),
    );
    this.mark(step);
    if (!first) this.live.textContent = `Operation ${this.step + 1} of ${steps.length}. ${step.formula}. ${step.why}`;
  }

  goStep(to) {
    const steps = this.model.get("verdict").steps || [];
    if (to < 0 || to >= steps.length) return;
    this.step = to;
    const made = steps[to].made;
    if (made && !this.shown(made)) this.ask({ around: made });
    this.drawVerdict();
  }

  mark({ used, made }) {
    for (const id of used) this.boxes.get(this.shown(id))?.group.classList.add("used");
    const box = this.shown(made);
    if (!box) return;
    this.boxes.get(box).group.classList.add("made");
    this.reveal(box);
  }

  unmark() {
    for (const { group } of this.boxes.values()) group.classList.remove("used", "made");
  }

  drawMissing(node, verdict, first) {
    const chip = (id) =>
      h("button", { type: "button", class: "l-found", "data-action": id, onclick: () => this.pick(id) }, this.nodes[id].name);
    const and = (group) => group.flatMap((id, n) => (n ? [" and ", chip(id)] : [chip(id)]));
    const alone = verdict.alone || [];
    const together = verdict.together || [];
    fill(
      this.proof,
      h("div", { class: "l-verdict holds" }, `✓ ${node.name} holds`),
      alone.length ? h("p", {}, "Missing: any one of these would be enough.") : null,
      alone.length ? h("div", { class: "l-chips" }, ...alone.map(chip), verdict.more ? h("span", { class: "p-none" }, `and ${verdict.more} more`) : null) : null,
      together.length ? h("p", {}, alone.length ? "Or these together:" : "Missing: these together would be enough.") : null,
      ...together.map((group) => h("div", { class: "l-chips" }, ...and(group))),
      alone.length || together.length ? null : h("p", {}, "No value of this run opens it."),
    );
    if (!first) this.live.textContent = `${node.name} holds. Missing: one of ${alone.map((id) => this.nodes[id].name).join(", ") || "several values"}.`;
  }
}

export default {
  render({ model, el }) {
    const lineage = new Lineage(model, el);
    if (!lineage.canvas) return undefined;
    const on = {
      "change:scene": () => (lineage.answered(), lineage.drawScene(), lineage.drawVerdict(true)),
      "change:attack": () => (lineage.answered(), lineage.drawAttack()),
      "change:verdict": () => (lineage.answered(), lineage.drawVerdict()),
    };
    for (const [name, call] of Object.entries(on)) model.on(name, call);
    return () => {
      clearTimeout(lineage.timer);
      for (const [name, call] of Object.entries(on)) model.off(name, call);
    };
  },
};
