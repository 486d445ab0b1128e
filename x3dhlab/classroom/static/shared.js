// What both pages of the room use. Texts of others enter the page as text, never as markup.

const QUIET = 50; // milliseconds between two answers, so that the page can be used
const LONGEST = 10_000; // milliseconds between two attempts while the room does not answer

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

// Ask again and again. The server answers when something is new.
export async function follow(address, headers, show, gone) {
  let since = "";
  let pause = QUIET;
  for (;;) {
    try {
      const answer = await fetch(`${address}?since=${since}`, { headers });
      if ([401, 410].includes(answer.status)) return gone(answer.status);
      if (!answer.ok) throw new Error(answer.status);
      const state = await answer.json();
      since = state.version;
      pause = QUIET;
      gone(0);
      show(state);
    } catch {
      gone(-1);
      pause = Math.min(2 * pause, LONGEST);
    }
    await new Promise((ready) => setTimeout(ready, pause));
  }
}

// One child for each item, in their order. A child that stays is changed, so it keeps the focus.
export function keyed(parent, items, make, change) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const child = before.get(item.key) ?? make(item);
    before.delete(item.key);
    child.dataset.key = item.key;
    change(child, item);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  before.forEach((child) => child.remove());
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

// How a class has predicted. Which option is right stands in words, and only after the reveal.
export function distribution(list, asked) {
  const most = Math.max(1, asked.answers);
  keyed(
    list,
    asked.options.map((option) => ({ ...option, key: option.text })),
    (option) =>
      element(
        "li",
        {},
        element("span", { className: "count" }),
        element("span", { className: "words" }, option.text, element("b", { className: "mark" })),
        element("span", { className: "bar" }, element("span")),
      ),
    (child, option) => {
      const right = asked.revealed && option.correct;
      child.classList.toggle("right", right);
      say(child.querySelector(".count"), String(option.count));
      say(child.querySelector(".mark"), right ? " ✓ right" : "");
      child.querySelector(".bar > span").style.width = `${(100 * option.count) / most}%`;
    },
  );
}
