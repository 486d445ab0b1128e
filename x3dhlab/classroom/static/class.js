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
  if (shown === null) return;
  if (at("options").dataset.place !== shown.place) at("options").replaceChildren();
  at("options").dataset.place = shown.place;
  say(at("question"), shown.title);
  say(at("answers"), count(shown.answers, "prediction"));
  distribution(at("options"), shown);
}

follow("/api/class", {}, show, gone);
