// The page for the projector: how the class has predicted, once the instructor reveals it.

import { count, distribution, follow, say } from "./shared.js";

const at = (id) => document.getElementById(id);

function gone(why) {
  const words = { 0: "", 410: "The room has ended.", "-1": "The room does not answer." };
  say(at("state"), words[why] ?? "");
}

function show({ learners, shown }) {
  at("waiting").hidden = shown !== null;
  at("revealed").hidden = shown === null;
  say(at("here"), `${count(learners, "learner")} in the room`);
  say(at("answers"), shown === null ? "" : count(shown.answers, "prediction"));
  if (shown === null) return;
  if (at("options").dataset.place !== shown.place) at("options").replaceChildren();
  at("options").dataset.place = shown.place;
  say(at("question"), shown.title);
  distribution(at("options"), shown);
  fit();
}

// As large as the screen allows, so that the last row can read it.
function fit() {
  const root = document.documentElement;
  for (const scale of [2, 1.8, 1.6, 1.4, 1.2, 1]) {
    root.style.setProperty("--scale", scale);
    if (root.scrollHeight <= window.innerHeight) return;
  }
}

window.addEventListener("resize", fit);
follow("/api/class", {}, show, gone);
