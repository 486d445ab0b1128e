// A safety number: digits and QR code of one phone, compared with what the other phone shows.
// The code is a picture that Python made; what differs is found in the kernel.

class Safety {
  constructor(model, el) {
    this.model = model;
    this.shown = model.get("shown");
    this.root = rootOf(el, "safety", `Safety number: ${this.shown.title}`);
    this.status = h("div", { class: "q-status", role: "status" });
    this.outcome = h("div", { class: "e-outcome", role: "status" });
    this.build();
    this.draw();
  }

  build() {
    const { title, owner, other, qr, halves, digits } = this.shown;
    this.halves = halves.map((half) => ({ half, groups: h("div", { class: "sn-groups" }) }));
    const id = `safety-${this.root.dataset.number}`;
    this.input = h("textarea", { id, rows: 2, maxlength: 400, autocomplete: "off", spellcheck: "false" });
    this.root.append(
      h("div", { class: "q-kind" }, "Safety number", h("span", {}, `on ${owner}'s phone`)),
      h("div", { class: "q-question" }, title),
      h(
        "div",
        { class: "sn-screen" },
        h("img", { class: "sn-code", src: qr, alt: `QR code of ${owner}'s phone: the version and both hashes` }),
        h(
          "div",
          { class: "sn-digits" },
          ...this.halves.map(({ half, groups }) =>
            h("div", { class: "sn-half" }, h("div", { class: "sn-name" }, `From ${half.name}'s key`), groups),
          ),
        ),
      ),
      h("label", { class: "sn-label", for: id }, `What ${other}'s phone shows: its 60 digits, or its scanned code in hex`),
      this.input,
      h(
        "div",
        { class: "q-actions" },
        h("button", { type: "button", class: "x3dh-button primary", onclick: () => this.compare() }, "Compare"),
        digits ? this.filler(`Read ${other}'s digits`, () => grouped(this.shown.digits)) : null,
        digits ? this.filler(`Scan ${other}'s code`, () => this.shown.scanned) : null,
        this.status,
      ),
      this.outcome,
    );
  }

  filler(words, value) {
    const onclick = () => {
      this.input.value = value();
      this.compare();
    };
    return h("button", { type: "button", class: "x3dh-button", onclick }, words);
  }

  compare() {
    this.status.textContent = "";
    if (!this.input.value.trim()) {
      this.status.textContent = "The field is empty.";
      return;
    }
    ask(this.model, { kind: "compare", seen: this.input.value }, "outcome", this.status);
  }

  draw() {
    const { verdict, mark, sentence, how, differ = {} } = this.model.get("outcome");
    for (const { half, groups } of this.halves) {
      const wrong = new Set(differ[half.name] || []);
      fill(
        groups,
        ...half.groups.map((group, n) =>
          wrong.has(n)
            ? h("span", { class: "sn-group wrong" }, group, h("span", { class: "x3dh-hidden" }, " differs"))
            : h("span", { class: "sn-group" }, group),
        ),
      );
    }
    this.outcome.hidden = !verdict;
    if (!verdict) return;
    this.status.textContent = "";
    this.outcome.className = `e-outcome ${verdict}`;
    fill(
      this.outcome,
      h("p", { class: "e-verdict" }, h("span", { "aria-hidden": "true" }, `${mark} `), sentence),
      h("p", {}, `Compared by ${how}.`),
    );
  }
}

function grouped(digits) {
  return digits.replace(/(\d{5})(?=\d)/g, "$1 ");
}

export default {
  render({ model, el }) {
    const safety = new Safety(model, el);
    const draw = () => safety.draw();
    model.on("change:outcome", draw);
    return () => model.off("change:outcome", draw);
  },
};
