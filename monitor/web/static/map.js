// Makes the maps of a page move: zoom by keys, buttons, wheel and pinch; a slider over months; what is in view.
// The page is whole without it. It asks this site only, for two files.
(() => {
  "use strict";
  const root = document.querySelector("[data-map]");
  if (!root) return;
  const words = JSON.parse(root.dataset.words);
  const nation = root.dataset.map === "nation";
  const make = (name, attributes = {}, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  };
  const button = (text, label, press) => {
    const made = make("button", { type: "button", class: "quiet", "aria-label": label }, text);
    made.addEventListener("click", press);
    return made;
  };
  const query = () => {
    const asked = new URLSearchParams({ list: root.dataset.list });
    if (root.dataset.kind) asked.set("kind", root.dataset.kind);
    const at = document.getElementById("m-at").value;
    if (at) asked.set("at", at);
    return asked;
  };
  const fetchJson = (url) => fetch(url, { credentials: "same-origin" }).then((answer) => {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  });
  let values = null; // of the moment that is shown, once they were asked for

  class Stage {
    constructor(figure) {
      this.figure = figure;
      this.stage = figure.querySelector(".stage");
      this.svg = figure.querySelector("svg.map");
      [, , this.width, this.height] = this.svg.getAttribute("viewBox").split(" ").map(Number);
      this.x = this.y = 0;
      this.zoom = 1;
      this.pointers = new Map();
      this.dots = [...this.svg.querySelectorAll(".dots circle")].map((dot) => [dot, Number(dot.getAttribute("r"))]);
      this.view = make("div", { class: "view", "aria-live": "polite" });
      const controls = make(
        "div",
        { class: "controls" },
        button("+", words.in, () => this.scale(1.6)),
        button("\u2212", words.out, () => this.scale(1 / 1.6)),
        button("\u21ba", words.reset, () => this.reset()),
      );
      this.stage.after(controls, this.view);
      this.stage.tabIndex = 0;
      this.stage.setAttribute("role", "group");
      this.stage.setAttribute("aria-label", words.keys);
      this.listen();
    }

    listen() {
      this.stage.addEventListener("keydown", (event) => {
        const step = 0.15 / this.zoom;
        const keys = {
          "+": () => this.scale(1.6),
          "=": () => this.scale(1.6),
          "-": () => this.scale(1 / 1.6),
          0: () => this.reset(),
          Escape: () => this.reset(),
          ArrowLeft: () => this.move(-step, 0),
          ArrowRight: () => this.move(step, 0),
          ArrowUp: () => this.move(0, -step),
          ArrowDown: () => this.move(0, step),
        };
        const act = !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key];
        // At full size the arrows scroll the page, as everywhere else.
        if (!act || (event.key.startsWith("Arrow") && this.zoom === 1)) return;
        event.preventDefault();
        act();
      });
      this.svg.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
        event.preventDefault();
        this.scale(event.deltaY < 0 ? 1.25 : 0.8, event);
      }, { passive: false });
      this.svg.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        this.pointers.set(event.pointerId, event);
        this.dragged = this.pointers.size > 1;
        this.pressed = event;
      });
      const lift = (event) => this.pointers.delete(event.pointerId);
      for (const name of ["pointerup", "pointercancel"]) addEventListener(name, lift);
      addEventListener("pointermove", (event) => this.drag(event));
      // A drag that ends on a state is no click on it.
      this.svg.addEventListener("click", (event) => {
        if (this.dragged) event.preventDefault();
        else this.follow(event);
        this.dragged = false;
      }, true);
      this.svg.addEventListener("dragstart", (event) => event.preventDefault());
    }

    drag(event) {
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      const others = [...this.pointers.values()].filter((each) => each.pointerId !== event.pointerId);
      this.pointers.set(event.pointerId, event);
      if (others.length) {
        const [other] = others;
        const span = (each) => Math.hypot(each.clientX - other.clientX, each.clientY - other.clientY);
        const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
        this.dragged = true;
        if (span(before) > 0) this.scale(span(event) / span(before), middle);
        return;
      }
      if (this.zoom === 1) return;
      if (Math.hypot(event.clientX - this.pressed.clientX, event.clientY - this.pressed.clientY) > 5) this.dragged = true;
      const [from, to] = [this.locate(before), this.locate(event)];
      this.move((from.x - to.x) / this.width, (from.y - to.y) / this.height);
    }

    /** Where on the map an event is; the map may be narrower than its box. */
    locate(event) {
      return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    }

    /** Whether a shape covers a point of the map. */
    covers(shape, x, y) {
      return shape.isPointInFill(new DOMPoint(x, y));
    }

    /** A click on a county that has an agency leads to it in the list of its state. */
    follow(event) {
      const link = event.target.closest("a");
      // A key on a state's link has no place, and opening another tab is the browser's.
      if (!link || !event.detail || !this.layer?.isConnected || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const { x, y } = this.locate(event);
      const found = [...this.layer.querySelectorAll(".c, .t")].find((each) => this.covers(each, x, y));
      if (!found) return;
      event.preventDefault();
      location.assign(`${link.getAttribute("href")}#county-${found.dataset.county}`);
    }

    /** Move by shares of the whole map. */
    move(dx, dy) {
      this.x += dx;
      this.y += dy;
      this.draw();
    }

    /** Zoom by a factor about a point of the screen; about the middle without one. */
    scale(factor, about) {
      const point = about && this.locate(about);
      const [px, py] = about
        ? [(point.x / this.width - this.x) * this.zoom, (point.y / this.height - this.y) * this.zoom]
        : [0.5, 0.5];
      const next = Math.min(Math.max(this.zoom * factor, 1), 24);
      this.x += px / this.zoom - px / next;
      this.y += py / this.zoom - py / next;
      this.zoom = next;
      this.draw();
    }

    reset() {
      this.x = this.y = 0;
      this.zoom = 1;
      this.draw();
    }

    draw() {
      const room = 1 - 1 / this.zoom;
      this.x = Math.min(Math.max(this.x, 0), room);
      this.y = Math.min(Math.max(this.y, 0), room);
      this.svg.setAttribute(
        "viewBox",
        [this.x * this.width, this.y * this.height, this.width / this.zoom, this.height / this.zoom]
          .map((each) => each.toFixed(1)).join(" "),
      );
      this.svg.style.touchAction = this.zoom > 1 ? "none" : "pan-y";
      for (const [dot, radius] of this.dots) dot.setAttribute("r", (radius / this.zoom ** 0.6).toFixed(1));
      this.svg.style.setProperty("--size", (1 / this.zoom ** 0.8).toFixed(3)); // of the stars
      if (nation && this.zoom > 2) this.showCounties();
      else if (this.layer) this.layer.remove();
      const second = this.figure.querySelector(".of-counties");
      if (second) second.hidden = !(nation && this.zoom > 2);
      clearTimeout(this.later);
      this.later = setTimeout(() => this.list(), 250);
    }

    /** Draw the counties over the states: their outlines are fetched once, and never change. */
    async showCounties() {
      try {
        Stage.outlines ??= fetchJson(root.dataset.outlines);
        values ??= await fetchJson(`${root.dataset.values}?${query()}`);
        const outlines = await Stage.outlines;
        if (!this.layer) {
          this.layer = document.createElementNS(this.svg.namespaceURI, "g");
          this.layer.style.pointerEvents = "none";
          for (const [code, path] of Object.entries(outlines)) {
            if (!path) continue;
            const shape = document.createElementNS(this.svg.namespaceURI, "path");
            shape.setAttribute("d", path);
            shape.dataset.county = code;
            this.layer.append(shape);
          }
          const edges = document.createElementNS(this.svg.namespaceURI, "path");
          const states = [...this.svg.querySelectorAll("path[data-code]")];
          edges.setAttribute("d", states.map((each) => each.getAttribute("d")).join(""));
          edges.setAttribute("class", "edge");
          this.layer.append(edges);
        }
        this.paint();
        if (this.zoom > 2 && !this.layer.isConnected) this.svg.querySelector(".stars").before(this.layer);
      } catch {
        Stage.outlines = undefined; // the states stay; the next move asks again
      }
    }

    paint() {
      for (const shape of this.layer?.querySelectorAll("[data-county]") ?? [])
        shape.setAttribute("class", values.counties[shape.dataset.county] ?? "n");
    }

    /** Say what is in view, for those who do not see it too. */
    list() {
      if (this.zoom === 1) {
        this.view.replaceChildren();
        return;
      }
      const [left, top] = [this.x * this.width, this.y * this.height];
      const [width, height] = [this.width / this.zoom, this.height / this.zoom];
      const grid = [...Array(64).keys()].map((n) => [left + (((n % 8) + 0.5) * width) / 8, top + ((Math.floor(n / 8) + 0.5) * height) / 8]);
      const inside = (shape) => {
        const box = shape.getBBox();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        if (x >= left && y >= top && x <= left + width && y <= top + height) return true;
        return nation && grid.some((point) => this.covers(shape, ...point)); // a state that is larger than the view
      };
      const shapes = [...this.svg.querySelectorAll(nation ? "path[data-code]" : ".dots circle, path.c")].filter(inside);
      const items = shapes.slice(0, 40).map((shape) => {
        const text = shape.querySelector("title").textContent;
        const link = shape.closest("a");
        return make("li", {}, link ? make("a", { href: link.getAttribute("href") }, text) : text);
      });
      this.view.replaceChildren(make("p", {}, `${words.view}: ${shapes.length}`), make("ul", {}, ...items));
    }
  }

  const stages = [...root.querySelectorAll(".mapfig")].filter((each) => each.querySelector("svg.map")).map((each) => new Stage(each));
  root.dataset.live = "";

  /** Show another moment on the one map: shades, titles, stars, heading and table. */
  async function show() {
    const asked = query();
    const found = await fetchJson(`${root.dataset.values}?${asked}`);
    if (asked.toString() !== query().toString()) return; // the slider has moved on
    values = found;
    const { figure, svg } = stages[0];
    figure.querySelector(".heading").textContent = found.heading;
    figure.querySelector(".unseen").hidden = !found.blind;
    const unplaced = make("p", { class: "unplaced" }, make("a", { href: `?${asked}` }, found.unplaced)); // that page names them
    unplaced.hidden = !found.unplaced;
    document.querySelector(".unplaced").replaceWith(unplaced);
    svg.setAttribute("aria-label", found.heading);
    for (const old of svg.querySelectorAll(".blind")) old.remove();
    for (const [code, [shade, title, star, cells]] of Object.entries(found.states)) {
      const shape = svg.querySelector(`path[data-code=${code}]`);
      if (shape) {
        shape.setAttribute("class", `s${shade}`);
        shape.querySelector("title").textContent = title;
        const link = shape.closest("a");
        if (link) link.setAttribute("href", `${link.getAttribute("href").split("?")[0]}?${asked}`);
        if (found.blind) {
          const hatched = shape.cloneNode();
          hatched.removeAttribute("data-code");
          hatched.setAttribute("class", "blind");
          svg.querySelector(".stars").before(hatched);
        }
      }
      svg.querySelector(`[data-star=${code}]`)?.classList.toggle("off", !star);
      const row = document.querySelectorAll(`tr[data-row=${code}] td`);
      cells.forEach((text, place) => row[place] && (row[place].textContent = text));
    }
    stages[0].paint();
    history.replaceState(null, "", `?${asked}`);
  }

  const at = document.getElementById("m-at");
  const months = at ? [...at.options].reverse() : [];
  if (nation && stages.length === 1 && months.length > 1) {
    const output = make("output", {});
    const range = make("input", { type: "range", min: 0, max: months.length - 1, step: 1 });
    const moved = () => {
      at.value = months[range.value].value;
      output.textContent = months[range.value].textContent;
      range.setAttribute("aria-valuetext", output.textContent);
      show().catch(() => { output.textContent = "…"; });
    };
    range.value = months.findIndex((each) => each.selected);
    output.textContent = months[range.value].textContent;
    range.setAttribute("aria-valuetext", output.textContent);
    range.addEventListener("input", moved);
    const row = make("div", { class: "controls" }, make("label", {}, words.month, range, output));
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      let playing = 0;
      const stop = () => {
        clearInterval(playing);
        playing = 0;
        play.textContent = words.play;
      };
      const play = make("button", { type: "button", class: "quiet" }, words.play);
      play.addEventListener("click", () => {
        if (playing) return stop();
        if (Number(range.value) === months.length - 1) range.value = 0;
        play.textContent = words.pause;
        playing = setInterval(() => {
          if (Number(range.value) === months.length - 1) return stop();
          range.value = Number(range.value) + 1;
          moved();
        }, 700);
      });
      row.prepend(play);
    }
    stages[0].view.after(row);
  }
})();
