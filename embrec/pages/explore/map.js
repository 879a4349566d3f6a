/* The map view. */

import { get, runAsked } from "./api.js";
import { h, loading } from "./dom.js";
import { go } from "./route.js";

export async function mapView(root, place, signal) {
  const element = h("div");
  root.append(
    h("h1", { tabIndex: -1 }, "The map of movies"),
    h("p", { className: "soft" }, "Movies near each other are alike to the model; how far apart groups are means nothing. Choose one to see what is similar."),
    h("div", { className: "card" }, element),
  );
  loading(element, "Finding places for the movies; the first time that takes up to a minute …");
  const { movies } = await get("map", runAsked(), signal);
  const map = window.embrecMap(element, movies, { onSelect: (movie) => go("movie", movie.movie_id) });
  if (place.parameters.has("movie")) map.select(place.parameters.get("movie"));
}
