// A button at each picture: the whole screen for the projector.

for (const figure of document.querySelectorAll("figure")) {
  const button = document.createElement("button");
  button.textContent = "Full screen";
  button.addEventListener("click", () => figure.requestFullscreen());
  figure.querySelector("figcaption").append(" ", button);
}
