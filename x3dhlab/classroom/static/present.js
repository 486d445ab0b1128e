// Arrow keys, Page Up and Down, Space, Home, End; F for the whole screen.

const slides = [...document.querySelectorAll("main section")];
const where = document.getElementById("where");
let now = 0;

function show(number) {
  now = Math.max(0, Math.min(slides.length - 1, number));
  slides.forEach((slide, n) => (slide.hidden = n !== now));
  where.textContent = `${now + 1} of ${slides.length}`;
  document.getElementById("back").disabled = now === 0;
  document.getElementById("on").disabled = now === slides.length - 1;
  history.replaceState(null, "", `#${now + 1}`);
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
}

const keys = {
  ArrowRight: () => show(now + 1),
  ArrowDown: () => show(now + 1),
  PageDown: () => show(now + 1),
  ArrowLeft: () => show(now - 1),
  ArrowUp: () => show(now - 1),
  PageUp: () => show(now - 1),
  Home: () => show(0),
  End: () => show(slides.length - 1),
  f: full,
  F: full,
};

document.addEventListener("keydown", (event) => {
  // In an open text form the keys scroll.
  const reading = event.target.closest("pre");
  if (event.ctrlKey || event.metaKey || event.altKey || reading || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
document.getElementById("back").addEventListener("click", () => show(now - 1));
document.getElementById("on").addEventListener("click", () => show(now + 1));
document.getElementById("full").addEventListener("click", full);
show((parseInt(location.hash.slice(1)) || 1) - 1);
