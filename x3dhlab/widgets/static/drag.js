// Dragging with the pointer. Each place where something may be put also works without it.

/** Let the pointer drag `item` onto an element of `root` with `data-drop`: `drop(its value)`. */
function draggable(root, item, drop) {
  const placeUnder = (event) =>
    document
      .elementsFromPoint(event.clientX, event.clientY)
      .map((found) => found.closest("[data-drop]"))
      .find((place) => place && root.contains(place) && !item.contains(place));

  item.classList.add("x3dh-drag");
  // The browser's own dragging of selected text would end ours.
  item.addEventListener("dragstart", (event) => event.preventDefault());
  item.addEventListener("pointerdown", (down) => {
    // A finger scrolls the page; it moves things by touching them one after the other.
    if (down.button !== 0 || down.pointerType === "touch") return;
    let moving = false;
    let place = null;
    const point = (next) => {
      place?.classList.remove("x3dh-over");
      place = next;
      place?.classList.add("x3dh-over");
    };
    const move = (event) => {
      const [x, y] = [event.clientX - down.clientX, event.clientY - down.clientY];
      if (!moving && Math.hypot(x, y) < 6) return;
      if (!moving) {
        item.classList.add("x3dh-dragged");
        document.getSelection()?.removeAllRanges();
      }
      moving = true;
      item.style.transform = `translate(${x}px, ${y}px)`;
      point(placeUnder(event));
    };
    const end = (event) => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
      item.classList.remove("x3dh-dragged");
      item.style.transform = "";
      const target = place;
      point(null);
      if (!moving) return;
      const swallow = (click) => click.stopPropagation();
      window.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
      if (target && event.type === "pointerup") drop(target.dataset.drop);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  });
}
