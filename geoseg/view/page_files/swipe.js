// Two maps that move together, and the line between them.

/** Move each map where the other goes. */
export function together(one, other) {
  let busy = false;
  const follow = (from, to) => () => {
    if (busy) return;
    busy = true;
    to.jumpTo({ center: from.getCenter(), zoom: from.getZoom(), bearing: from.getBearing(), pitch: from.getPitch() });
    busy = false;
  };
  const there = follow(one, other);
  const back = follow(other, one);
  one.on("move", there);
  other.on("move", back);
  there();
}

/** Let the line be moved by pointer and keys; `stage` holds both maps. */
export function moveLine(line, stage) {
  const put = (percent) => {
    const at = Math.min(Math.max(percent, 0), 100);
    stage.style.setProperty("--at", `${at}%`);
    line.setAttribute("aria-valuenow", String(Math.round(at)));
  };
  const toPointer = (event) => {
    const box = stage.getBoundingClientRect();
    put(((event.clientX - box.left) / box.width) * 100);
  };
  line.addEventListener("pointerdown", (event) => {
    line.setPointerCapture(event.pointerId);
    line.addEventListener("pointermove", toPointer);
  });
  const release = () => line.removeEventListener("pointermove", toPointer);
  line.addEventListener("pointerup", release);
  line.addEventListener("pointercancel", release);
  line.addEventListener("keydown", (event) => {
    const now = Number(line.getAttribute("aria-valuenow"));
    const to = { ArrowLeft: now - 2, ArrowRight: now + 2, PageDown: now - 10, PageUp: now + 10, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    put(to);
  });
  put(50);
}
