/* A map of movies: a scatter plot on a canvas, with search, filters, zoom and keyboard navigation. */
"use strict";

window.embrecMap = (() => {
  const COLOURED_GENRES = 8;
  const SMALLEST_SHARE = 0.02; // a genre needs this share of the movies to get a colour
  const FARTHEST = 24;
  const RESULTS = 8;
  const NEAR = 14; // a click selects a movie within this many pixels
  const MARGIN = 24;
  const STRETCH = 1.4;
  const LABEL_CANDIDATES = 5; // movies tried for each label; with more, obscure titles would get the free room

  /** Return the coloured genres, and each movie's index among them: its rarest one, or the length if it has none. */
  function colouring(movies) {
    const counts = new Map();
    for (const movie of movies) for (const genre of movie.genres) counts.set(genre, (counts.get(genre) || 0) + 1);
    const rarest = (movie, eligible) =>
      movie.genres.filter(eligible).sort((a, b) => counts.get(a) - counts.get(b) || (a < b ? -1 : 1))[0];
    const groups = new Map();
    for (const movie of movies) {
      const genre = rarest(movie, (each) => counts.get(each) >= SMALLEST_SHARE * movies.length);
      if (genre !== undefined) groups.set(genre, (groups.get(genre) || 0) + 1);
    }
    const genres = [...groups.keys()].sort((a, b) => groups.get(b) - groups.get(a) || (a < b ? -1 : 1));
    genres.length = Math.min(genres.length, COLOURED_GENRES);
    const place = (movie) => {
      const found = genres.indexOf(rarest(movie, (each) => genres.includes(each)));
      return found < 0 ? genres.length : found;
    };
    return { genres, places: movies.map(place) };
  }

  /** Scale the points to 0 to 1, centred, and keep their aspect ratio. */
  function placed(movies) {
    const range = (axis) => {
      const values = movies.map((movie) => movie[axis]);
      const low = values.reduce((a, b) => Math.min(a, b), Infinity);
      const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
      return { middle: (low + high) / 2, span: high - low };
    };
    const x = range("x");
    const y = range("y");
    const span = { x: x.span || 1, y: y.span || 1 };
    const points = movies.map((movie) => ({ x: (movie.x - x.middle) / span.x, y: (y.middle - movie.y) / span.y }));
    return { points, span };
  }

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const titled = (movie) => movie.title || movie.movie_id;

  function described(movie) {
    const counted = (count, thing) => count && `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
    return [movie.genres.join(", "), counted(movie.rating_count, "rating"), counted(movie.event_count, "event")].filter(Boolean).join(" · ");
  }

  function make(tag, properties = {}, attributes = {}) {
    const made = Object.assign(document.createElement(tag), properties);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  let maps = 0;

  /** Create the elements of a map in an element. */
  function parts(element) {
    const id = `embrec-map-${++maps}`;
    const label = make("label", { className: "visually-hidden", textContent: "Find a movie on the map", htmlFor: `${id}-search` });
    const search = make(
      "input",
      { type: "search", id: `${id}-search`, placeholder: "Find a movie", autocomplete: "off" },
      { role: "combobox", "aria-expanded": "false", "aria-controls": `${id}-results`, "aria-autocomplete": "list" },
    );
    const results = make("ul", { className: "map-results", id: `${id}-results`, hidden: true }, { role: "listbox", "aria-label": "Movies found" });
    const searching = make("div", { className: "map-search" });
    searching.append(label, search, results);
    const button = (text, name) => make("button", { type: "button", textContent: text, title: name }, { "aria-label": name });
    const buttons = { closer: button("+", "Zoom in"), farther: button("−", "Zoom out"), whole: button("⤢", "Show the whole map") };
    const zoom = make("div", { className: "map-zoom" });
    zoom.append(...Object.values(buttons));
    const tools = make("div", { className: "map-tools" });
    tools.append(searching, zoom);
    const canvas = make(
      "canvas",
      { tabIndex: 0 },
      {
        role: "application",
        "aria-label": "Map of movies. Arrow keys go from movie to movie, Enter chooses, plus and minus zoom, 0 shows the whole map.",
      },
    );
    const tip = make("div", { className: "map-tip", hidden: true }, { "aria-hidden": "true" });
    const stage = make("div", { className: "map-stage" });
    stage.append(canvas, tip);
    const legend = make("div", { className: "map-legend" }, { role: "group", "aria-label": "Show only some genres" });
    const status = make("p", { className: "map-status" }, { role: "status" });
    element.classList.add("map");
    element.replaceChildren(tools, stage, legend, status);
    return { search, results, buttons, canvas, tip, stage, legend, status };
  }

  /**
   * Draw a map of movies in an element.
   *
   * @param {HTMLElement} element The element; its contents are replaced.
   * @param {Array} movies Objects {movie_id, title, genres, release_year, rating_count, event_count, x, y}; title may be null.
   * @param {{onSelect: function}} options A function called with the movie that the user selects.
   * @returns {{select: function(string)}} A function that shows the movie with an id.
   */
  return function embrecMap(element, movies, { onSelect = () => {} } = {}) {
    const ui = parts(element);
    const { genres, places } = colouring(movies);
    const { points, span } = placed(movies);
    const counts = movies.map((movie) => movie.rating_count + movie.event_count);
    const most = counts.reduce((best, count) => Math.max(best, count), 1);
    const radii = counts.map((count) => 2 + 6 * Math.sqrt(count / most));
    const bySize = movies.map((_, index) => index).sort((a, b) => counts[b] - counts[a]);
    const words = movies.map((movie) => plain(titled(movie)));
    const shown = new Set(); // indexes of the selected genres; empty shows all
    const view = { scale: 1, x: 0, y: 0 };
    const size = { width: 0, height: 0 };
    let matches = null;
    let hovered = -1;
    let chosen = -1;
    let drawing = 0;

    const ready = () => size.width > 0;
    const room = () => ({ x: size.width - 2 * MARGIN, y: size.height - 2 * MARGIN });
    /** Return width and height of the map in pixels, stretched a little to fill the stage. */
    const extent = () => {
      const { x, y } = room();
      const unit = STRETCH * Math.min(x / span.x, y / span.y);
      return { x: Math.min(span.x * unit, x), y: Math.min(span.y * unit, y) };
    };
    const screen = (index) => ({
      x: size.width / 2 + (points[index].x * extent().x - view.x) * view.scale,
      y: size.height / 2 + (points[index].y * extent().y - view.y) * view.scale,
    });
    const radius = (index) => radii[index] * Math.min(view.scale ** 0.35, 2.5) * Math.min(Math.sqrt(size.width / 640), 1);
    const picked = (index) => shown.size === 0 || shown.has(places[index]);
    const lit = (index) => (matches ? matches.has(index) : picked(index));

    function redraw() {
      if (!drawing) drawing = requestAnimationFrame(draw);
    }

    function draw() {
      drawing = 0;
      const ratio = window.devicePixelRatio || 1;
      ui.canvas.width = Math.round(size.width * ratio);
      ui.canvas.height = Math.round(size.height * ratio);
      const context = ui.canvas.getContext("2d");
      context.scale(ratio, ratio);
      const style = getComputedStyle(element);
      const colour = (name) => style.getPropertyValue(`--${name}`).trim();
      const colours = [...genres.map((_, place) => colour(`series-${place + 1}`)), colour("series-other")];
      context.strokeStyle = colour("surface");
      for (const bright of [false, true]) {
        context.globalAlpha = bright ? 0.9 : 0.13;
        for (const index of bySize) {
          if (lit(index) === bright) circle(context, index, colours[places[index]]);
        }
      }
      context.globalAlpha = 1;
      for (const index of new Set([hovered, chosen])) if (index >= 0) ring(context, index, colour("ink"));
      labels(context, colour("ink"), colour("surface"), style.getPropertyValue("--text"));
    }

    function circle(context, index, colour) {
      const { x, y } = screen(index);
      context.beginPath();
      context.arc(x, y, radius(index), 0, 7);
      context.fillStyle = colour;
      context.fill();
      context.stroke();
    }

    function ring(context, index, colour) {
      const { x, y } = screen(index);
      context.beginPath();
      context.arc(x, y, radius(index) + 4, 0, 7);
      context.strokeStyle = colour;
      context.lineWidth = 2.5;
      context.stroke();
    }

    /** Label the selected movie, then the most rated movies in view that have room for a title. */
    function labels(context, ink, ground, family) {
      const most = Math.round((size.width * size.height) / 18000);
      const taken = [];
      let candidates = most * LABEL_CANDIDATES;
      context.font = `500 12px ${family}`;
      context.textBaseline = "middle";
      context.lineWidth = 3.5;
      context.lineJoin = "round";
      context.strokeStyle = ground;
      context.fillStyle = ink;
      for (const index of chosen < 0 ? bySize : [chosen, ...bySize]) {
        if (taken.length >= most || candidates <= 0) break;
        const { x, y } = screen(index);
        if (!lit(index) || y < 8 || y > size.height - 8 || x < 0 || x > size.width) continue;
        candidates -= 1;
        const title = titled(movies[index]);
        const text = title.length > 30 ? `${title.slice(0, 28)}…` : title;
        const width = context.measureText(text).width;
        const space = radius(index) + 4;
        const left = x + space + width < size.width ? x + space : x - space - width;
        const box = { left, right: left + width, top: y - 9, bottom: y + 9 };
        const overlaps = (other) =>
          box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
        if (left < 2 || taken.some(overlaps)) continue;
        taken.push(box);
        context.strokeText(text, left, y);
        context.fillText(text, left, y);
      }
    }

    /** Keep the map in view, and redraw it. */
    function moved() {
      view.scale = Math.min(Math.max(view.scale, 1), FARTHEST);
      for (const axis of ["x", "y"]) {
        const bound = ((1 - 1 / view.scale) * room()[axis]) / 2;
        view[axis] = Math.min(Math.max(view[axis], -bound), bound);
      }
      ui.stage.classList.toggle("zoomed", view.scale > 1);
      ui.buttons.farther.disabled = ui.buttons.whole.disabled = view.scale <= 1;
      ui.buttons.closer.disabled = view.scale >= FARTHEST;
      tell();
      redraw();
    }

    /** Zoom by a factor; a point of the stage stays in place. */
    function zoom(factor, at = { x: size.width / 2, y: size.height / 2 }) {
      const scale = Math.min(Math.max(view.scale * factor, 1), FARTHEST);
      view.x += (at.x - size.width / 2) * (1 / view.scale - 1 / scale);
      view.y += (at.y - size.height / 2) * (1 / view.scale - 1 / scale);
      view.scale = scale;
      moved();
    }

    function nearest(at) {
      let best = -1;
      let least = NEAR;
      for (const index of bySize) {
        if (!lit(index)) continue;
        const { x, y } = screen(index);
        const distance = Math.hypot(x - at.x, y - at.y) - radius(index);
        if (distance < least) [best, least] = [index, distance];
      }
      return best;
    }

    /** Show the title of the movie under the pointer, or else of the selected one. */
    function tell() {
      const index = hovered >= 0 ? hovered : chosen;
      ui.tip.hidden = index < 0 || !ready();
      if (index < 0) return;
      const movie = movies[index];
      ui.tip.replaceChildren(make("strong", { textContent: titled(movie) }), make("br"), described(movie));
      const { x, y } = screen(index);
      const inside = x >= 0 && x <= size.width && y >= 0 && y <= size.height;
      ui.tip.hidden = !inside;
      const left = Math.min(Math.max(x - ui.tip.offsetWidth / 2, 4), size.width - ui.tip.offsetWidth - 4);
      const above = y - radius(index) - ui.tip.offsetHeight - 8;
      ui.tip.style.transform = `translate(${left}px, ${above > 4 ? above : y + radius(index) + 8}px)`;
    }

    function hover(index) {
      if (index === hovered) return;
      hovered = index;
      ui.canvas.style.cursor = index < 0 ? "" : "pointer";
      tell();
      redraw();
    }

    /** Show a movie: zoom in if the whole map is shown, and centre the movie if it is out of view. */
    function show(index) {
      chosen = index;
      hovered = -1;
      const { x, y } = screen(index);
      if (x < MARGIN || x > size.width - MARGIN || y < MARGIN || y > size.height - MARGIN) {
        view.x = points[index].x * extent().x;
        view.y = points[index].y * extent().y;
      }
      ui.status.textContent = `${titled(movies[index])} · ${described(movies[index])}`;
      moved();
    }

    function forget() {
      chosen = hovered = -1;
      tell();
      redraw();
    }

    function choose(index) {
      show(index);
      onSelect(movies[index]);
    }

    /** Return the next movie for an arrow key: near the selected one, in that direction. */
    function step(dx, dy) {
      if (chosen < 0) return show(bySize.find(lit) ?? 0);
      const from = screen(chosen);
      let best = -1;
      let least = Infinity;
      for (const index of bySize) {
        const to = screen(index);
        const along = (to.x - from.x) * dx + (to.y - from.y) * dy;
        const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
        if (index === chosen || !lit(index) || along <= aside) continue;
        if (along + 2 * aside < least) [best, least] = [index, along + 2 * aside];
      }
      if (best >= 0) show(best);
    }

    function key(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) step(...steps[event.key]);
      else if (event.key === "Enter" && chosen >= 0) choose(chosen);
      else if (event.key === "+" || event.key === "=") zoom(1.5);
      else if (event.key === "-") zoom(1 / 1.5);
      else if (event.key === "0") zoom(0);
      else return;
      event.preventDefault();
    }

    const fingers = new Map();
    let travelled = 0;
    const position = (event) => {
      const box = ui.canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
    };

    function press(event) {
      ui.canvas.setPointerCapture(event.pointerId);
      if (fingers.size === 0) travelled = 0;
      fingers.set(event.pointerId, position(event));
    }

    function drag(event) {
      const at = position(event);
      const before = fingers.get(event.pointerId);
      if (!before) return hover(nearest(at));
      const apart = spread();
      fingers.set(event.pointerId, at);
      travelled += Math.hypot(at.x - before.x, at.y - before.y);
      if (travelled < 4) return;
      view.x -= (at.x - before.x) / view.scale / fingers.size;
      view.y -= (at.y - before.y) / view.scale / fingers.size;
      const [a, b] = [...fingers.values()];
      if (apart && b) zoom(spread() / apart, { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
      else moved();
    }

    function release(event) {
      const pressed = fingers.delete(event.pointerId) && travelled < 4 && event.type === "pointerup";
      if (!pressed) return;
      const index = nearest(position(event));
      if (index >= 0) choose(index);
      else forget();
    }

    // Zoom by wheel only while the map has the focus, or it would keep readers from scrolling the page.
    function wheel(event) {
      if (!event.ctrlKey && document.activeElement !== ui.canvas) return;
      if (event.deltaY > 0 && view.scale <= 1) return;
      event.preventDefault();
      zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 120) / 400), position(event));
    }

    function find() {
      const wanted = plain(ui.search.value).split(/\s+/).filter(Boolean);
      const found = wanted.length ? bySize.filter((index) => wanted.every((word) => words[index].includes(word))) : [];
      matches = wanted.length ? new Set(found) : null;
      const options = found.slice(0, RESULTS).map((index, number) =>
        make("li", { id: `${ui.results.id}-${number}`, textContent: titled(movies[index]) }, { role: "option", "data-index": index }),
      );
      ui.results.replaceChildren(...options);
      open(options.length > 0);
      if (wanted.length) ui.status.textContent = `${found.length} movie${found.length === 1 ? "" : "s"} found`;
      redraw();
    }

    function open(whether) {
      ui.results.hidden = !whether;
      ui.search.setAttribute("aria-expanded", String(whether));
      ui.search.removeAttribute("aria-activedescendant");
    }

    function take(option) {
      matches = null;
      ui.search.value = option.textContent;
      open(false);
      choose(Number(option.dataset.index));
    }

    function searchKey(event) {
      const options = [...ui.results.children];
      const current = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
      const listed = !ui.results.hidden && options.length > 0;
      if (event.key === "Escape") open(false);
      else if (event.key === "Enter" && listed) take(options[Math.max(current, 0)]);
      else if (listed && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        const next = (current + (event.key === "ArrowDown" ? 1 : options.length - (current < 0 ? 0 : 1))) % options.length;
        options.forEach((option, number) => option.setAttribute("aria-selected", String(number === next)));
        options[next].scrollIntoView({ block: "nearest" });
        ui.search.setAttribute("aria-activedescendant", options[next].id);
      } else return;
      if (event.key !== "Escape") event.preventDefault();
    }

    function fillLegend() {
      const counts = new Map();
      for (const place of places) counts.set(place, (counts.get(place) || 0) + 1);
      [...genres, "other"].forEach((name, place) => {
        if (!counts.get(place) || !genres.length) return;
        const entry = make("button", { type: "button" }, { "aria-pressed": "false" });
        const swatch = make("i");
        swatch.style.background = `var(--series-${name === "other" && place === genres.length ? "other" : place + 1})`;
        entry.append(swatch, name);
        entry.addEventListener("click", () => {
          if (!shown.delete(place)) shown.add(place);
          entry.setAttribute("aria-pressed", String(shown.has(place)));
          const count = places.filter((_, index) => picked(index)).length;
          ui.status.textContent = `${count.toLocaleString("en")} movie${count === 1 ? "" : "s"} shown`;
          forget();
        });
        ui.legend.append(entry);
      });
    }

    fillLegend();
    ui.status.textContent = `${movies.length.toLocaleString("en")} movie${movies.length === 1 ? "" : "s"}. Near each other: alike.`;
    ui.canvas.addEventListener("pointerdown", press);
    ui.canvas.addEventListener("pointermove", drag);
    ui.canvas.addEventListener("pointerup", release);
    ui.canvas.addEventListener("pointercancel", release);
    ui.canvas.addEventListener("pointerleave", () => hover(-1));
    ui.canvas.addEventListener("wheel", wheel, { passive: false });
    ui.canvas.addEventListener("keydown", key);
    ui.search.addEventListener("input", find);
    ui.search.addEventListener("keydown", searchKey);
    ui.search.addEventListener("blur", () => open(false));
    ui.results.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // keeps the focus in the box
      const option = event.target.closest("li");
      if (option) take(option);
    });
    ui.buttons.closer.addEventListener("click", () => zoom(1.5));
    ui.buttons.farther.addEventListener("click", () => zoom(1 / 1.5));
    ui.buttons.whole.addEventListener("click", () => zoom(0));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(() => {
      size.width = ui.stage.clientWidth;
      size.height = ui.stage.clientHeight;
      moved();
    }).observe(ui.stage);

    return {
      select(movieId) {
        const index = movies.findIndex((movie) => movie.movie_id === movieId);
        if (index >= 0) show(index);
      },
    };
  };
})();
