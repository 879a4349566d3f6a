"use strict";

// Draw the map of a report, from the movies in the page's JSON.
const movies = document.getElementById("movies");
if (movies) window.embrecMap(document.getElementById("map-of-movies"), JSON.parse(movies.textContent));
