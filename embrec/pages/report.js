"use strict";

// The map of a report, of the movies that stand in the page as JSON.
const movies = document.getElementById("movies");
if (movies) window.embrecMap(document.getElementById("map-of-movies"), JSON.parse(movies.textContent));
