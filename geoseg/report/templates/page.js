"use strict";
// The curtain between two pictures, and classes that are brought out by a click on the legend. Without it the page shows both
// pictures side by side.
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  function curtain(stage) {
    const [svg, slider] = [stage.querySelector(".curtain"), stage.querySelector("input[type=range]")];
    const [cut, edge] = [document.querySelector("#cut rect"), svg.querySelector(".edge")];
    const width = svg.viewBox.baseVal.width;
    const draw = () => {
      const x = (width * slider.value) / 100;
      cut.setAttribute("x", x);
      cut.setAttribute("width", width - x);
      edge.setAttribute("x1", x);
      edge.setAttribute("x2", x);
    };
    const drag = (event) => {
      const box = svg.getScreenCTM();
      slider.value = Math.round((100 * (event.clientX - box.e)) / (box.a * width));
      draw();
    };
    slider.addEventListener("input", draw);
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      drag(event);
    });
    svg.addEventListener("pointermove", (event) => event.buttons && drag(event));
    for (const choice of all("select", stage))
      choice.addEventListener("change", () => show(svg.querySelector(`.${choice.name}`), choice.value));
    for (const box of all("input[type=checkbox]", stage))
      box.addEventListener("change", () => document.documentElement.classList.toggle(box.name, box.checked === (box.name === "apart")));
    const drawings = all("svg", stage);
    const size = (scale) => all(".pin").forEach((pin) => pin.setAttribute("transform", `scale(${scale})`));
    const fit = () => size(width / (drawings.find((one) => one.getBoundingClientRect().width)?.getBoundingClientRect().width || width));
    addEventListener("resize", fit);
    addEventListener("beforeprint", () => size(2));
    addEventListener("afterprint", fit);
    stage.addEventListener("change", fit);
    draw();
    fit();
  }

  const show = (use, key) => use.setAttribute("href", `#picture-${key}`);

  // Pixels of other colours than these become pale; no colour: the picture as it was.
  function bringOut(image, colours) {
    const whole = (image.dataset.whole ||= image.getAttribute("href"));
    image.dataset.wanted = [...colours].join();
    if (!colours.size) return image.setAttribute("href", whole);
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.width, picture.height];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const d = pixels.data;
      for (let i = 0; i < d.length; i += 4) {
        if (!d[i + 3] || colours.has(d[i] * 65536 + d[i + 1] * 256 + d[i + 2])) continue;
        for (let k = i; k < i + 3; k++) d[k] = 236 + 0.06 * (d[k] - 236);
      }
      context.putImageData(pixels, 0, 0);
      if (image.dataset.wanted === [...colours].join()) image.setAttribute("href", canvas.toDataURL());
    };
    picture.src = whole;
  }

  function legend(list) {
    const buttons = all("button", list);
    const keys = list.dataset.pictures.split(" ");
    const images = keys.map((key) => document.getElementById(`picture-${key}`)).filter(Boolean);
    const sides = all(".stage select");
    for (const button of images.length ? buttons : []) {
      button.disabled = false;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
        const pressed = buttons.filter((other) => other.getAttribute("aria-pressed") === "true");
        const colours = new Set(pressed.map((other) => parseInt(other.dataset.colour.slice(1), 16)));
        for (const image of images) bringOut(image, colours);
        if (!pressed.length || !sides.length || sides.some((side) => keys.includes(side.value))) return;
        sides[1].value = keys[0]; // or nothing would be seen of it
        sides[1].dispatchEvent(new Event("change", { bubbles: true }));
      });
    }
  }

  document.documentElement.classList.add("live");
  all(".stage").forEach(curtain);
  all("[data-pictures]").forEach(legend);
})();
