// Match: take one of the cards and put it beside what it belongs to.

function render({ model, el }) {
  const asked = model.get("asked");
  const { lefts, options, again } = asked;
  const root = rootOf(el, "question", `Match: ${asked.question}`);
  const live = h("div", { class: "q-status", role: "status" });
  const feedback = h("div", { class: "q-feedback", role: "status" });
  const rows = h("ul", { class: "z-rows" });
  const pool = h("ul", { class: "z-pool", "aria-label": "Cards", "data-drop": "pool" });
  const table = h("div", { class: "z-match" }, pool, rows);
  const check = h("button", { type: "button", class: "x3dh-button primary", onclick: send }, "Check");
  let chosen = lefts.map(() => null);
  let meanings = null;
  let picked = null; // {card, from}: a card, and the row that it was taken from, if any

  const plain = (text) => text.replaceAll("`", "");
  const missing = () => chosen.filter((card) => card === null).length;

  function send() {
    if (missing()) {
      live.textContent = `${missing()} ${missing() === 1 ? "place is" : "places are"} still empty.`;
      return;
    }
    picked = null;
    live.textContent = "";
    ask(model, { kind: "answer", answer: chosen }, "outcome", live);
  }

  function pick(card, from, focus) {
    picked = { card, from };
    const free = chosen.indexOf(null);
    drawTable(focus || `row-${free < 0 ? Math.max(from, 0) : free}`);
    live.textContent = `Picked up: ${plain(options[card])}. Choose its place; Escape puts it back.`;
  }

  function put(card, from, row) {
    const other = row === null ? null : chosen[row];
    if (from >= 0) chosen[from] = row === null ? null : other;
    if (row !== null) chosen[row] = card;
    meanings = null;
    picked = null;
    feedback.replaceChildren();
    const free = pool.querySelector(".z-card");
    drawTable(row === null ? `card-${card}` : free ? "pool" : `row-${row}`);
    const left = missing();
    const rest = left ? ` ${left} ${left === 1 ? "place" : "places"} left.` : " All places are filled.";
    live.textContent = (row === null ? `${plain(options[card])} is back.` : `${plain(options[card])} placed at ${plain(lefts[row])}.`) + rest;
  }

  function chooseRow(row) {
    if (picked) put(picked.card, picked.from, row);
    else if (chosen[row] !== null) pick(chosen[row], row, `row-${row}`);
    else live.textContent = "Pick a card first.";
  }

  function chooseCard(card) {
    if (picked && picked.card === card && picked.from < 0) return putBack(`card-${card}`);
    if (picked && picked.from >= 0) return put(picked.card, picked.from, null);
    return pick(card, -1);
  }

  function putBack(focus) {
    picked = null;
    drawTable(focus);
    live.textContent = "Put back.";
  }

  function onKey(event) {
    if (event.key === "Escape" && picked) {
      putBack(picked.from < 0 ? `card-${picked.card}` : `row-${picked.from}`);
      event.preventDefault();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const group = [...event.currentTarget.closest("ul").querySelectorAll("button")];
    group[group.indexOf(event.currentTarget) + step]?.focus();
    event.preventDefault();
  }

  function face(key, pressed, onclick, words, kind) {
    return h(
      "button",
      { type: "button", class: kind, "data-key": key, "aria-pressed": pressed, onclick, onkeydown: onKey },
      ...words,
    );
  }

  function drawRow(left, row) {
    const card = chosen[row];
    const meaning = meanings?.[row];
    const held = picked && picked.from === row;
    const words = card === null ? ["…"] : rich(options[card]);
    const place = face(`row-${row}`, String(Boolean(held)), () => chooseRow(row), words, `z-slot${card === null ? " empty" : ""}`);
    if (card === null) place.setAttribute("aria-label", `Place of ${plain(left)}: empty`);
    else place.prepend(h("span", { class: "x3dh-hidden" }, `Place of ${plain(left)}: `));
    if (card !== null) draggable(table, place, (target) => dropped(card, row, target));
    return h(
      "li",
      { class: meaning ? (meaning.correct ? "right" : "wrong") : "", "data-drop": row },
      h("span", { class: "z-left" }, ...rich(left)),
      place,
      meaning ? h("span", { class: "z-mark" }, meaning.correct ? "✓" : "✗", h("span", { class: "x3dh-hidden" }, meaning.correct ? " right" : " wrong")) : null,
    );
  }

  function dropped(card, from, target) {
    if (target === "pool" && from >= 0) put(card, from, null);
    else if (target !== "pool") put(card, from, Number(target));
  }

  function drawTable(focus) {
    const free = options.map((_, card) => card).filter((card) => again || !chosen.includes(card));
    table.classList.toggle("picking", picked !== null);
    fill(rows, ...lefts.map(drawRow));
    fill(
      pool,
      ...free.map((card) => {
        const held = picked && picked.from < 0 && picked.card === card;
        const button = face(`card-${card}`, String(Boolean(held)), () => chooseCard(card), rich(options[card]), "z-card");
        draggable(table, button, (target) => dropped(card, -1, target));
        return h("li", {}, button);
      }),
    );
    setDisabled(check, missing() > 0);
    if (!focus) return;
    const target = focus === "pool" ? pool.querySelector(".z-card") : root.querySelector(`[data-key="${focus}"]`);
    (target || check).focus({ preventScroll: true });
  }

  function draw() {
    const outcome = model.get("outcome");
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    if (outcome?.chosen) {
      chosen = [...outcome.chosen];
      meanings = outcome.meanings;
    }
    drawTable(focused);
    if (!outcome?.chosen) {
      if (outcome?.problem) feedback.replaceChildren(h("p", { class: "q-problem" }, outcome.problem));
      return;
    }
    const wrong = meanings.filter((meaning) => !meaning.correct).length;
    const verdict = outcome.correct ? "✓ Right." : `✗ ${wrong} of ${lefts.length} ${wrong === 1 ? "is" : "are"} not there yet.`;
    fill(
      feedback,
      h("div", { class: `q-verdict ${outcome.correct ? "right" : "wrong"}` }, verdict, outcome.earlier ? h("span", {}, " You answered this earlier.") : null),
      ...meanings.map((meaning, row) =>
        meaning.correct && !outcome.correct
          ? null
          : h("p", { class: meaning.correct ? "right" : "wrong" }, h("b", {}, ...rich(lefts[row])), " · ", ...rich(options[chosen[row]]), meaning.why ? h("span", {}, ": ", ...rich(meaning.why)) : meaning.correct ? null : ": these two do not belong together."),
      ),
      outcome.explain ? h("p", { class: "q-explain" }, ...rich(outcome.explain)) : null,
      outcome.correct ? null : h("p", { class: "q-again" }, "Move the cards, and check again."),
      outcome.problem ? h("p", { class: "q-problem" }, outcome.problem) : null,
    );
  }

  root.append(
    h("div", { class: "q-kind" }, "Match", h("span", {}, again ? "a card may be used again" : "pick a card, then its place")),
    h("fieldset", {}, h("legend", {}, ...rich(asked.question)), table),
    h("div", { class: "q-actions" }, check, live),
    feedback,
  );
  model.on("change:outcome", draw);
  draw();
  return () => model.off("change:outcome", draw);
}

export default { render };
