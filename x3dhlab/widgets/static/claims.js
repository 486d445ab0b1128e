// A deck of claims: choose a card, a verdict and a demonstration; the kernel runs it.

function render({ model, el }) {
  const cards = model.get("cards");
  const root = rootOf(el, "question", `Claims: ${model.get("title")}`);
  const group = `claims-${root.dataset.number}`;
  const count = h("span", {});
  const live = h("div", { class: "q-status", role: "status" });
  const feedback = h("div", { class: "q-feedback", role: "status" });
  const body = h("div", { class: "c-card" });
  const run = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "Run it");
  const back = h("button", { type: "button", class: "x3dh-button", onclick: () => step(-1) }, "Previous");
  const next = h("button", { type: "button", class: "x3dh-button", onclick: () => step(1) }, "Next");
  const open = cards.filter((card) => !card.after);
  const chosen = {};
  let current = open.length ? open[0].id : null;

  const select = h(
    "select",
    { id: `${group}-card`, onchange: () => show(select.value) },
    ...[...new Set(cards.map((card) => card.id[0]))].map((letter) =>
      h(
        "optgroup",
        { label: `Design ${letter}` },
        ...cards.filter((card) => card.id[0] === letter).map((card) =>
          h("option", { value: card.id, disabled: Boolean(card.after) }, card.id),
        ),
      ),
    ),
  );

  function step(by) {
    const place = open.findIndex((card) => card.id === current) + by;
    if (place >= 0 && place < open.length) show(open[place].id);
  }

  function show(id) {
    current = id;
    live.textContent = "";
    draw();
  }

  function radios(name, legend, options, value) {
    const inputs = options.map(([key, words]) => {
      const input = h("input", {
        type: "radio",
        name: `${group}-${name}`,
        value: key,
        onchange: () => {
          chosen[current] = { ...chosen[current], [name]: key };
          ready();
        },
      });
      input.checked = value === key;
      return h("label", { class: "q-option" }, input, h("span", {}, ...rich(words)));
    });
    return h("fieldset", {}, h("legend", {}, legend), ...inputs);
  }

  function ready() {
    const mine = chosen[current] || {};
    setDisabled(run, mine.verdict === undefined || mine.shown_by === undefined);
  }

  function send() {
    if (run.getAttribute("aria-disabled") === "true") {
      live.textContent = "Choose a verdict and a demonstration first.";
      return;
    }
    live.textContent = "";
    ask(model, { kind: "judge", id: current, ...chosen[current] }, "outcomes", live);
  }

  function state(card, outcomes) {
    if (card.after) return `${card.id}, opens after lesson ${card.after}`;
    return `${card.id}${outcomes[card.id]?.counted ? " ✓ counts" : ""}`;
  }

  function drawList(outcomes) {
    const counted = cards.filter((card) => outcomes[card.id]?.counted).length;
    count.textContent = `${counted} of ${cards.length} count`;
    for (const option of select.querySelectorAll("option")) {
      option.textContent = state(cards.find((card) => card.id === option.value), outcomes);
    }
    if (current) select.value = current;
    const place = open.findIndex((card) => card.id === current);
    setDisabled(back, place <= 0);
    setDisabled(next, place < 0 || place >= open.length - 1);
  }

  function drawFeedback(card, outcome) {
    if (!outcome) return feedback.replaceChildren();
    const title = card.runs.find(([name]) => name === outcome.shown_by)?.[1];
    fill(
      feedback,
      outcome.said ? h("div", { class: `q-verdict ${outcome.counts ? "right" : "wrong"}` }, `${outcome.counts ? "✓" : "✗"} ${outcome.said}`, outcome.earlier ? h("span", {}, " You showed this earlier.") : null) : null,
      outcome.seen ? h("p", { class: "c-seen" }, h("b", {}, `${title}: `), outcome.seen) : null,
      outcome.why ? h("p", { class: "q-explain" }, ...rich(outcome.why)) : null,
      outcome.counts ? null : h("p", { class: "q-again" }, "Choose again when you are ready."),
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
  }

  function draw() {
    const outcomes = model.get("outcomes");
    drawList(outcomes);
    const card = cards.find((one) => one.id === current);
    if (!card) return fill(body, h("p", {}, "No card is open yet."));
    const outcome = outcomes[card.id];
    if (outcome?.verdict && !chosen[card.id]) chosen[card.id] = { verdict: outcome.verdict, shown_by: outcome.shown_by };
    const mine = chosen[card.id] || {};
    // A new outcome of the same card leaves the controls, and with them the focus, where they are.
    if (body.dataset.card !== card.id) {
      body.dataset.card = card.id;
      fill(
        body,
        h("p", { class: "c-claim" }, h("b", {}, `Design ${card.id[0]}: `), ...rich(card.claim)),
        card.beside ? h("p", { class: "c-claim" }, h("b", {}, "Elsewhere in the same design: "), ...rich(card.beside)) : null,
        radios("verdict", "Your verdict", model.get("verdicts"), mine.verdict),
        radios("shown_by", "The run that decides it", card.runs, mine.shown_by),
      );
    }
    ready();
    drawFeedback(card, outcome);
  }

  root.append(
    h("div", { class: "q-kind" }, "Claims", count),
    h("div", { class: "c-head" }, h("label", { for: `${group}-card` }, "Card"), select, back, next),
    body,
    h("div", { class: "q-actions" }, run, live),
    feedback,
  );
  model.on("change:outcomes", draw);
  draw();
  return () => model.off("change:outcomes", draw);
}

export default { render };
