// The instructor's page: who is where, who is stuck, predictions, tasks.

import { count, distribution, element, follow, keyed, say } from "./shared.js";

const KEY = "x3dhlab-room";
const SILENT = 300; // seconds without a sign that are worth a word

const at = (id) => document.getElementById(id);

// The token comes after # and so is in no request; then it leaves the address, too.
function token() {
  if (location.hash.length > 1) {
    sessionStorage.setItem(KEY, location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

const headers = { Authorization: `Bearer ${token()}`, "Content-Type": "application/json" };

async function reveal(place) {
  try {
    const body = JSON.stringify({ place });
    const answer = await fetch("/api/reveal", { method: "POST", headers, body });
    if (!answer.ok) throw new Error(answer.status);
  } catch {
    say(at("state"), "This did not reach the room. Please try again.");
  }
}

function gone(why) {
  const words = {
    0: "",
    401: "This address has no valid token. Open the one that the terminal shows.",
    410: "The room has ended. Its data is deleted.",
    "-1": "The room does not answer. This page tries again.",
  };
  say(at("state"), words[why]);
}

function show(state) {
  const stuck = state.learners.filter((learner) => learner.stuck.length);
  say(at("code"), state.code);
  say(at("here"), String(state.learners.length));
  say(at("stuck-count"), String(stuck.length));
  showStuck(stuck);
  showPredictions(state);
  showTasks(state);
  showPlaces(state);
}

function empty(id, items) {
  at(id).hidden = items.length > 0;
}

function showStuck(stuck) {
  const items = stuck.flatMap((learner) =>
    learner.stuck.map((told) => ({ ...told, name: learner.name })),
  );
  empty("nobody-stuck", items);
  keyed(
    at("stuck"),
    items.map((item) => ({ ...item, key: `${item.name}/${item.place}/${item.mistake}` })),
    (item) =>
      element("li", {}, element("b", {}, item.name), " ", element("span"), ` in ${item.place}`),
    (child, item) => say(child.querySelector("span"), `${item.times} × “${item.mistake}”`),
  );
}

function showPredictions(state) {
  empty("no-predictions", state.predictions);
  at("clear").disabled = !state.predictions.some((asked) => asked.shown);
  keyed(
    at("predictions"),
    state.predictions.map((asked) => ({ ...asked, key: asked.place })),
    card,
    (child, asked) => {
      const late = asked.late ? `, ${asked.late} after the reveal` : "";
      say(child.querySelector(".answers"), `${asked.answers} of ${state.learners.length}${late}`);
      const button = child.querySelector("button");
      say(button, asked.shown ? "On the class page" : asked.revealed ? "Show again" : "Reveal");
      button.setAttribute("aria-pressed", String(asked.shown));
      child.classList.toggle("shown", asked.shown);
      distribution(child.querySelector("ul"), asked);
    },
  );
}

function card(asked) {
  const id = `asked-${asked.place}`;
  const button = element("button", { type: "button", onclick: () => reveal(asked.place) });
  button.setAttribute("aria-describedby", id);
  return element(
    "article",
    {},
    element("h3", { id }, element("span", { className: "place" }, asked.place), " ", asked.title),
    element("p", { className: "row" }, button, element("b", { className: "answers figure" })),
    element("ul", { className: "options" }),
  );
}

function showTasks(state) {
  empty("no-tasks", state.tasks);
  keyed(
    at("tasks"),
    state.tasks.map((task) => ({ ...task, key: task.place })),
    (task) =>
      element(
        "article",
        {},
        element("h3", {}, element("span", { className: "place" }, task.place), " ", task.title),
        element("p", { className: "passed figure" }),
        element("ul", { className: "mistakes" }),
      ),
    (child, task) => {
      say(child.querySelector(".passed"), `${task.passed} of ${task.tried} passed`);
      showMistakes(child.querySelector("ul"), task.mistakes);
    },
  );
}

function showMistakes(list, mistakes) {
  keyed(
    list,
    mistakes.map((mistake) => ({ ...mistake, key: mistake.name })),
    (mistake) =>
      element(
        "li",
        {},
        element("b", { className: "count" }),
        element("span", {}, mistake.name, mistake.why && element("small", {}, mistake.why)),
      ),
    (child, mistake) => {
      const times = `${count(mistake.learners, "learner")}, ${count(mistake.times, "time")}`;
      say(child.querySelector(".count"), String(mistake.learners));
      child.title = times;
    },
  );
}

function showPlaces(state) {
  const places = Map.groupBy(state.learners, (learner) => learner.place);
  const items = [...places].map(([place, learners]) => ({ key: place || "-", place, learners }));
  empty("nobody-here", items);
  items.sort((a, b) => order(a).localeCompare(order(b)));
  keyed(
    at("places"),
    items,
    () =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, element("span"), element("small")),
        element("td", { className: "figure" }),
        element("td", { className: "names" }),
      ),
    (child, item) => {
      const [head, number, names] = child.children;
      const { lesson } = item.learners[0];
      say(head.firstChild, item.place || "joined");
      say(head.lastChild, item.place ? `${lesson} ${state.lessons[lesson]}` : "");
      say(number, String(item.learners.length));
      say(names, item.learners.map((learner) => told(learner, state.now)).join(", "));
    },
  );
}

function order(item) {
  return item.place ? `${item.learners[0].lesson} ${item.place}` : "~";
}

function told(learner, now) {
  const facts = [learner.verdict, learner.stuck.length ? "stuck" : ""];
  if (now - learner.at > SILENT) facts.push(`${Math.floor((now - learner.at) / 60)} min`);
  const words = facts.filter(Boolean).join(", ");
  return words ? `${learner.name} (${words})` : learner.name;
}

at("clear").onclick = () => reveal(null);
follow("/api/room", headers, show, gone);
