// The ratchet theatre: two phones, the messages between them, and what a thief can read.

const ICONS = {
  undo: "M3 6h7a3.5 3.5 0 0 1 0 7H6M6 3 3 6l3 3",
  redo: "M13 6H6a3.5 3.5 0 0 0 0 7h4M10 3l3 3-3 3",
  copy: "M6 6h7v7H6zM3 10V3h7",
};

function render({ model, el }) {
  const root = rootOf(el, "theatre", model.get("title"));
  const scene = () => model.get("scene");
  const [first, second] = scene().phones;
  const colour = (name) => `--c: var(--c${name === first.name ? 1 : 2})`;
  let selected = null;
  let placing = null;
  let opened = null;
  let timer = null;

  // Asking the kernel

  function ask(message) {
    if (timer) return;
    timer = setTimeout(() => {
      timer = null;
      now.append(h("p", { class: "x3dh-error" }, "The kernel does not answer. Restart it and run the cell again."));
    }, 3000);
    post(model, message);
  }
  function answered() {
    clearTimeout(timer);
    timer = null;
  }
  const act = (name, facts = {}) => ask({ kind: "act", name, facts });

  // The frame, which stays

  const button = (words, key, onclick, attributes = {}) =>
    h("button", { type: "button", class: "x3dh-button", "data-key": key, onclick, ...attributes }, words);
  const live = (control, go) => () => control.getAttribute("aria-disabled") !== "true" && go();
  const undo = button("Undo", "undo", () => live(undo, () => act("undo"))());
  const redo = button("Redo", "redo", () => live(redo, () => act("redo"))());
  undo.prepend(icon(ICONS.undo));
  redo.prepend(icon(ICONS.redo));
  const count = h("span", { class: "p-count" });
  const now = h("div", { class: "t-now", "aria-live": "polite", "aria-atomic": "true" });
  const phones = scene().phones.map(makePhone);
  const network = h("div", { class: "t-network", role: "group", "aria-label": "The network", tabindex: "-1" });
  const thief = h("div", { class: "t-thief", role: "group", "aria-label": "The thief" });
  const steps = h("ol", { class: "t-steps", tabindex: "0", "aria-label": "Steps so far" });
  const summary = h("summary", { "data-lm-suppress-shortcuts": "true" });
  const log = h("details", { class: "t-log" }, summary, steps);
  root.append(
    h(
      "div",
      { class: "p-head" },
      h("div", { class: "p-title" }, model.get("title")),
      count,
      h("div", { class: "p-buttons", role: "group", "aria-label": "Steps" }, undo, redo),
    ),
    now,
    h("div", { class: "t-stage" }, phones[0].root, network, phones[1].root),
    thief,
    log,
  );

  function makePhone({ name }) {
    const id = `theatre-${root.dataset.number}-${name === first.name ? 1 : 2}`;
    const input = h("input", {
      id,
      type: "text",
      maxlength: 200,
      autocomplete: "off",
      placeholder: "Message",
      "data-key": `text-${name}`,
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        write();
      },
    });
    const write = () => {
      act("write", { sender: name, text: input.value });
      input.value = "";
    };
    const send = button("Send", `send-${name}`, () => write(), { "aria-label": `Send as ${name}` });
    send.classList.add("primary");
    const state = h("ul", { class: "t-state", "aria-label": `Ratchet state of ${name}` });
    const kept = h("div", { class: "t-kept" });
    const read = h("div", { class: "t-read" });
    const steal = button("Copy this state as a thief", `steal-${name}`, () =>
      live(steal, () => act("steal", { owner: name }))(),
    );
    steal.prepend(icon(ICONS.copy));
    const form = h(
      "div",
      { class: "t-write" },
      h("label", { for: id, class: "x3dh-hidden" }, `Text that ${name} writes`),
      input,
      send,
    );
    const mark = s("svg", { class: "p-mark", viewBox: "0 0 22 22", "aria-hidden": "true" });
    mark.append(
      name === first.name
        ? s("circle", { cx: 11, cy: 11, r: 10, fill: "var(--c)" })
        : s("rect", { x: 1.5, y: 1.5, width: 19, height: 19, rx: 4, fill: "var(--c)" }),
    );
    const letter = s("text", { x: 11, y: 14.4, "text-anchor": "middle" });
    letter.textContent = [...name][0].toUpperCase();
    mark.append(letter);
    return {
      name,
      root: h(
        "div",
        { class: "t-phone", style: colour(name), role: "group", "aria-label": `${name}'s phone` },
        h("div", { class: "t-name" }, mark, h("span", {}, name)),
        form,
        state,
        kept,
        steal,
        read,
      ),
      state,
      kept,
      read,
      steal,
    };
  }

  // The changing parts

  function drawNow({ now: told, steps: done, undo: back, redo: again, problem }) {
    const refused = Boolean(told.refusal);
    now.className = `t-now${refused ? " bad" : ""}`;
    now.style.cssText = told.actor ? colour(told.actor) : "--c: var(--c0)";
    fill(
      now,
      h("div", { class: "t-words" }, h("span", {}, told.words), told.section ? h("span", { class: "p-section" }, told.section) : null),
      refused
        ? h("p", { class: "p-error" }, `✗ ${told.refusal}: refused under ${told.section}. The state did not change.`)
        : null,
      problem ? h("p", { class: "x3dh-error" }, problem) : null,
    );
    count.textContent = `Step ${done.length - 1}`;
    setDisabled(undo, !back);
    setDisabled(redo, !again);
    summary.textContent = `Steps so far (${done.length - 1})`;
    fill(steps, ...done.slice(1).map((words) => h("li", {}, words)));
    log.hidden = done.length < 2;
  }

  function drawPhone(view, phone) {
    setDisabled(phone.steal, !view.ready);
    fill(
      phone.state,
      view.waits ? h("li", { class: "t-waits" }, view.waits) : null,
      ...view.fields.map((field) =>
        h(
          "li",
          { class: `t-field${field.changed ? " changed" : ""}${field.stolen ? " stolen" : ""}`, title: field.meaning },
          h("b", {}, field.name),
          h("span", { class: "x3dh-hidden" }, ` ${field.meaning}: `),
          h("code", { class: field.value === "none" ? "none" : "" }, field.value),
          field.changed ? h("span", { class: "t-was" }, field.was ? h("span", { class: "x3dh-hidden" }, "changed, ") : "new", field.was ? `was ${field.was.length > 4 ? `${field.was.slice(0, 4)}…` : field.was}` : null) : null,
          field.secret ? lockOf(field) : null,
        ),
      ),
    );
    const { keys, changed } = view.skipped;
    fill(
      phone.kept,
      view.ready
        ? h("span", { class: changed ? "t-skipped changed" : "t-skipped" }, h("b", {}, String(keys.length)), ` skipped ${keys.length === 1 ? "key" : "keys"}`)
        : null,
      ...keys.slice(-6).map((key) => h("span", { class: key.new ? "t-key changed" : "t-key" }, `${key.chain.slice(0, 4)}… N ${key.number}`)),
      keys.length > 6 ? h("span", { class: "t-note" }, `and ${keys.length - 6} older`) : null,
    );
    fill(
      phone.read,
      h("div", { class: "t-small" }, view.read.length ? `${phone.name} has read` : `${phone.name} has read nothing`),
      view.read.length
        ? h("ul", { tabindex: view.read.length > 6 ? "0" : null }, ...view.read.map((item) => h("li", {}, h("span", { class: "t-number" }, String(item.number)), h("span", {}, item.text))))
        : null,
    );
  }

  function lockOf(field) {
    return h(
      "span",
      { class: "t-lock" },
      padlock(field.stolen),
      field.stolen ? h("span", {}, "stolen") : h("span", { class: "x3dh-hidden" }, "secret"),
    );
  }

  function drawNetwork({ lanes }) {
    const parcels = lanes.flatMap((lane) => lane.parcels);
    if (!parcels.some((parcel) => parcel.id === selected)) selected = null;
    if (!parcels.some((parcel) => parcel.id === placing)) placing = null;
    fill(network, h("div", { class: "t-small" }, "The network does what you say"), ...lanes.map(drawLane));
  }

  function drawLane(lane) {
    const next = button("Deliver next", `next-${lane.sender}`, () =>
      live(next, () => act("deliver", { id: lane.parcels[0].id }))(),
    );
    next.setAttribute("aria-label", `Deliver the next message to ${lane.recipient}`);
    setDisabled(next, !lane.parcels.length);
    const mine = lane.parcels.some((parcel) => parcel.id === placing);
    // In front of itself or of the next one, a message would stay where it is.
    const from = lane.parcels.findIndex((parcel) => parcel.id === placing);
    const items = lane.parcels.flatMap((parcel, at) => [
      mine && at !== from && at !== from + 1 ? slot(lane, parcel) : null,
      drawParcel(lane, parcel),
    ]);
    return h(
      "div",
      { class: "t-lane", style: colour(lane.sender), role: "group", "aria-label": `Under way from ${lane.sender} to ${lane.recipient}` },
      h("div", { class: "t-lanehead" }, h("span", {}, `${lane.sender} → ${lane.recipient}`), next),
      lane.parcels.length
        ? h("ul", { class: "t-parcels" }, ...items.filter(Boolean), mine && from < lane.parcels.length - 1 ? [slot(lane, null)] : [])
        : h("div", { class: "t-none" }, "nothing under way"),
    );
  }

  function slot(lane, parcel) {
    const words = parcel ? `Put in front of message ${parcel.number}` : "Put behind the others";
    const place = button(words, `slot-${parcel ? parcel.id : "end"}`, () => {
      const id = placing;
      placing = null;
      act("place", { id, before: parcel ? parcel.id : null });
      refocus(`parcel-${id}`);
    });
    place.classList.add("t-slot");
    place.addEventListener("keydown", cancel);
    return h("li", {}, place);
  }

  function cancel(event) {
    if (event.key !== "Escape" || placing === null) return;
    event.preventDefault();
    const id = placing;
    placing = null;
    redraw(`parcel-${id}`);
  }

  function drawParcel(lane, parcel) {
    const open = parcel.id === selected;
    const name = `Message ${parcel.number}`;
    const face = h(
      "button",
      {
        type: "button",
        class: "t-face",
        "aria-expanded": String(open),
        "data-key": `parcel-${parcel.id}`,
        onclick: () => {
          selected = open ? null : parcel.id;
          placing = null;
          redraw();
        },
        onkeydown: (event) => onParcelKey(event, parcel),
      },
      h("span", { class: "t-number" }, h("span", { class: "x3dh-hidden" }, "Message "), String(parcel.number)),
      h("span", { class: "t-text" }, parcel.text),
      parcel.remark ? h("span", { class: "t-remark" }, parcel.remark) : null,
      padlock(false),
      h(
        "span",
        { class: "t-header" },
        `DHs ${parcel.key} · PN ${parcel.PN} · N ${parcel.N}`,
        parcel.handshake ? " · handshake header" : "",
      ),
    );
    const alone = lane.parcels.length < 2;
    const choose = (words, key, go) => button(words, `${key}-${parcel.id}`, go);
    const tools = h(
      "div",
      { class: "t-tools", role: "group", "aria-label": name },
      choose("Deliver", "deliver", () => act("deliver", { id: parcel.id })),
      alone ? null : choose("Hold back", "delay", () => act("delay", { id: parcel.id })),
      alone ? null : choose("Move…", "move", () => {
        placing = parcel.id;
        redraw();
        (network.querySelector(".t-slot") || face).focus();
      }),
      choose("Copy", "copy", () => act("copy", { id: parcel.id })),
      choose("Damage", "damage", () => act("damage", { id: parcel.id })),
      choose("Drop", "drop", () => act("drop", { id: parcel.id })),
    );
    const item = h(
      "li",
      { class: `t-parcel${open ? " open" : ""}${parcel.id === placing ? " placing" : ""}`, "data-drop": lane.parcels.length > 1 ? parcel.id : null },
      face,
      open ? tools : null,
    );
    draggable(network, item, (target) => {
      const places = lane.parcels.map((other) => other.id);
      const [from, to] = [places.indexOf(parcel.id), places.indexOf(Number(target))];
      // Dropped on a later message, it goes behind that one.
      if (to >= 0) act("place", { id: parcel.id, before: to > from ? places[to + 1] ?? null : places[to] });
    });
    return item;
  }

  function onParcelKey(event, parcel) {
    const faces = [...network.querySelectorAll(".t-face")];
    const place = faces.indexOf(event.currentTarget);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) (faces[place + step] || faces[place]).focus();
    else if (event.key === "Delete") act("drop", { id: parcel.id });
    else if (event.key === "Escape" && selected !== null) {
      selected = placing = null;
      redraw();
    } else return;
    event.preventDefault();
  }

  function drawThief({ thief: { copies, next }, messages }) {
    thief.classList.toggle("on", copies.length > 0);
    if (!copies.length) {
      opened = null;
      fill(thief, h("div", { class: "t-small" }, "Nobody has copied a state. Copy one as a thief, go on writing, and see who can read."));
      return;
    }
    const from = copies.map((copy) => `${copy.owner} at step ${copy.step}`).join(" and ");
    fill(
      thief,
      h("div", { class: "t-small" }, `The thief has copied the state of ${from}, and sees the network`),
      h(
        "ul",
        { class: "t-next" },
        ...next.map((phone) =>
          h("li", { class: phone.readable ? "bad" : phone.ready ? "good" : "" }, phone.ready ? padlock(phone.readable) : null, h("span", {}, healing(phone))),
        ),
      ),
      h("ul", { class: "t-verdicts", tabindex: messages.length > 8 ? "0" : null }, ...messages.map(drawVerdict)),
    );
  }

  function healing(phone) {
    if (!phone.ready) return `${phone.name} has no sending chain yet.`;
    if (phone.readable) return `${phone.name}'s next message: the thief can read it.`;
    const since = phone.since === null ? "" : ` Healed at step ${phone.since}.`;
    return `${phone.name}'s next message: safe.${since}`;
  }

  function drawVerdict(message) {
    const shown = opened === message.number && message.readable;
    const proof = model.get("proof");
    const toggle = button(shown ? "Hide how" : "Show how", `proof-${message.number}`, () => {
      opened = shown ? null : message.number;
      if (shown) redraw();
      else ask({ kind: "proof", number: message.number });
    });
    toggle.setAttribute("aria-label", `${shown ? "Hide" : "Show"} how message ${message.number} is read`);
    toggle.setAttribute("aria-expanded", String(shown));
    return h(
      "li",
      { class: message.readable ? "bad" : "good", style: colour(message.sender) },
      h("span", { class: "t-number" }, String(message.number)),
      h(
        "span",
        { class: "t-verdict" },
        h("b", {}, padlock(message.readable), message.readable ? "The thief reads " : "Safe"),
        message.readable ? `“${message.stolen_text}”` : `: needs ${message.missing}`,
      ),
      message.readable ? toggle : null,
      shown && proof.number === message.number
        ? h("ol", { class: "t-proof" }, ...proof.lines.map((line) => h("li", {}, line)))
        : null,
    );
  }

  // Drawing without losing the focus

  let wanted = null;
  const refocus = (key) => (wanted = key);

  function redraw(focus) {
    const active = root.contains(document.activeElement) ? document.activeElement : null;
    const key = focus || wanted || active?.dataset.key;
    const inNetwork = network.contains(active);
    const lane = active?.closest(".t-lane")?.getAttribute("aria-label");
    const place = [...network.querySelectorAll(".t-face")].indexOf(active?.closest(".t-parcel")?.querySelector(".t-face"));
    wanted = null;
    const view = scene();
    drawNow(view);
    view.phones.forEach((phone, number) => drawPhone(phone, phones[number]));
    drawNetwork(view);
    drawThief(view);
    if (!active && !focus) return;
    const same = key && root.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const faces = [...network.querySelectorAll(".t-face")];
    const inLane = faces.find((face) => face.closest(".t-lane").getAttribute("aria-label") === lane);
    const target = same || (inNetwork && (inLane || faces[Math.min(place, faces.length - 1)] || network));
    if (target && target !== document.activeElement) target.focus({ preventScroll: true });
  }

  const update = () => {
    answered();
    redraw();
  };
  redraw();
  model.on("change:scene", update);
  model.on("change:proof", update);
  return () => {
    answered();
    model.off("change:scene", update);
    model.off("change:proof", update);
  };
}

export default { render };
