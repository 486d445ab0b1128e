// Helpers of all widgets. A widget's own file follows in the same module.

const SVG = "http://www.w3.org/2000/svg";

const FOCUSABLE = new Set(["a", "button", "input", "select", "summary", "textarea"]);

/** Make an element: h("button", {class: "x", onclick: f}, "text", child, …). */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  // JupyterLab's shortcuts match the focused element itself: a mark on the root is not enough.
  if (FOCUSABLE.has(tag) || "tabindex" in attributes) element.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Make an SVG element with attributes and children. */
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Give an element new children; nothing stands for an absent one. */
function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined),
  );
}

/** The root of a widget. JupyterLab's own keys stay silent inside it; Escape leaves it.
 *
 * A group and no landmark: a lesson has many widgets, and landmarks of one page must differ.
 * Each widget is a module of its own, so the page counts them: ids and radio groups must differ.
 */
function rootOf(el, kind, label) {
  const root = h("div", {
    class: `x3dh x3dh-${kind}`,
    role: "group",
    "data-lm-suppress-shortcuts": "true",
    // A name is read as it stands: without the marks of code.
    "aria-label": label.replaceAll("`", ""),
  });
  window.x3dhWidgets = (window.x3dhWidgets || 0) + 1;
  root.dataset.number = String(window.x3dhWidgets);
  // On the parent, so that the widget's own keys come first.
  el.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if (event.key === "Escape") el.closest(".jp-Cell")?.focus();
    // Shift and Enter runs cells elsewhere; here it must not answer a question again.
    else if (event.key === "Enter" && event.shiftKey) event.preventDefault();
  });
  el.append(root);
  return root;
}

/** A button that stays focusable when it can do nothing. */
function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", String(disabled));
}

/** A padlock: closed for a secret, open for a public value. */
function padlock(open) {
  return s(
    "svg",
    { class: "x3dh-lock", viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", {
      d: open ? "M5 7V4.6a3 3 0 0 1 5.6-1.5" : "M5 7V4.8a3 3 0 0 1 6 0V7",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "1.7",
      "stroke-linecap": "round",
    }),
    s("rect", { x: 3, y: 7, width: 10, height: 7, rx: 1.6, fill: "currentColor" }),
  );
}

/** A small drawing of 16 × 16 from one path. */
function icon(d, attributes = {}) {
  const path = s("path", {
    d,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.8",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  });
  return s("svg", { class: "x3dh-icon", viewBox: "0 0 16 16", "aria-hidden": "true", ...attributes }, path);
}

/** Text with `code` between back quotes. */
function rich(text) {
  return text.split(/(`[^`]+`)/).map((part) =>
    part.length > 2 && part.startsWith("`") && part.endsWith("`")
      ? h("code", {}, part.slice(1, -1))
      : part,
  );
}

/** Bring the cell with this anchor into view. Returns false if the page does not have it. */
function goToAnchor(anchor) {
  const name = decodeURIComponent(anchor.replace(/^#/, ""));
  const slug = name.toLowerCase().replace(/\s+/g, "-");
  const marked = [name, slug]
    .flatMap((id) => [
      document.getElementById(id),
      ...["data-jupyter-id", "name", "href"].map((attribute) =>
        document.querySelector(
          `.jp-Notebook [${attribute}="${CSS.escape(attribute === "href" ? `#${id}` : id)}"]`,
        ),
      ),
    ])
    .find((found) => found && !found.closest(".x3dh"));
  const heading = [...document.querySelectorAll(".jp-Notebook :is(h1,h2,h3,h4,h5,h6)")].find(
    (found) => found.textContent.replace("¶", "").trim().toLowerCase().replace(/\s+/g, "-") === slug,
  );
  const target = marked || heading;
  if (!target) return false;
  const cell = target.closest(".jp-Cell") || target;
  cell.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  // The focus goes along, so that keyboard and screen reader arrive where the eye does.
  target.setAttribute("tabindex", "-1");
  target.focus({ preventScroll: true });
  cell.classList.add("x3dh-found");
  setTimeout(() => cell.classList.remove("x3dh-found"), 2400);
  return true;
}

/** True if the reader asked for less motion. */
function calm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A link to a cell of the notebook, with a sentence where the cell cannot be found. */
function cellLink(anchor, words) {
  const note = h("span", { class: "x3dh-note", role: "status" });
  const link = h(
    "a",
    {
      href: anchor,
      onclick: (event) => {
        event.preventDefault();
        note.textContent = goToAnchor(anchor) ? "" : ` Look for “${anchor.replace(/^#/, "")}”.`;
      },
    },
    words,
  );
  return h("span", {}, link, note);
}

/** Send a message. Where the kernel has ended, sending throws; who waits for an answer says so. */
function post(model, message) {
  try {
    model.send(message);
  } catch {
    // The timer of the caller tells it.
  }
}

/** Send a message, and say that nobody answered if the kernel is silent for three seconds. */
function ask(model, message, name, place) {
  const timer = setTimeout(() => {
    place.textContent = "The kernel does not answer. Restart it and run the cell again.";
  }, 3000);
  model.on(`change:${name}`, () => clearTimeout(timer));
  post(model, message);
}

/** Controls that change `values` of the model: made by kind, drawn from the values, and a sentence
 * in `live` when no answer comes.
 */
function controlsOf(model, live) {
  const inputs = {};
  let timer = null;

  function change(name, value) {
    model.set("values", { ...model.get("values"), [name]: value });
    model.save_changes();
    answered();
    timer = setTimeout(() => {
      live.textContent = "The kernel does not answer. Restart it and run the cell again.";
    }, 3000);
  }

  const makers = {
    check(control, id) {
      const input = h("input", {
        id,
        type: "checkbox",
        onchange: () => change(control.name, input.checked),
      });
      inputs[control.name] = (value) => (input.checked = value);
      return h("label", { class: "e-check", for: id }, input, h("span", {}, control.label));
    },
    choose(control, id) {
      const input = h(
        "select",
        { id, onchange: () => change(control.name, input.value) },
        ...control.options.map((option) => h("option", { value: option }, option)),
      );
      inputs[control.name] = (value) => (input.value = value);
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input);
    },
    number(control, id) {
      const shown = h("output", { for: id, class: "e-number" });
      const input = h("input", {
        id,
        type: "range",
        min: control.low,
        max: control.high,
        oninput: () => {
          shown.textContent = input.value;
          change(control.name, Number(input.value));
        },
      });
      inputs[control.name] = (value) => {
        input.value = value;
        shown.textContent = value;
      };
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input, shown);
    },
    text(control, id) {
      const input = h("input", {
        id,
        type: "text",
        maxlength: control.limit,
        autocomplete: "off",
        spellcheck: "false",
        oninput: () => change(control.name, input.value),
      });
      inputs[control.name] = (value) => {
        if (document.activeElement !== input) input.value = value;
      };
      return h("div", { class: "e-field" }, h("label", { for: id }, control.label), input);
    },
  };

  function draw() {
    for (const [name, value] of Object.entries(model.get("values"))) inputs[name]?.(value);
  }

  function answered() {
    clearTimeout(timer);
    live.textContent = "";
  }

  return { make: (control, id) => makers[control.kind](control, id), draw, answered };
}
