"""The rows of the table of targets, each with its group, its size, its measurement, and its lines on the page.

Rows of one group follow each other so that each finds what it needs: rows that change the ratings come last.
"""

from __future__ import annotations

import rows_answers
import rows_bulk
import rows_titles
import rows_training
from table import Line, Row

NO_WORSE = "no worse, within .2 %"
# What was tried, of several lines.
IMPORT = (
    "TensorFlow is imported beside the fit, and without pandas and what else embrec's models do not use; it is half of"
    " the CPU time; similar movies, content and who also watched, which the baseline has not, take half a second"
)
TWENTY = (
    "the regression on features is preconditioned; EASE and the sampler run side by side on two cores, both bound by"
    " memory, and gathers in half precision are no quicker"
)
SOLVED = "only new movies are solved, all in one statement; the rest is a regression on its raters' vectors for each"
LOOKUPS = (
    "the scan stops at the bound and filters are beside the vectors; a third is looking up the profiles of movies rated"
)
ROWS = {
    "train-ml-100k": Row(
        "small",
        "ml-100k",
        5,
        rows_training.movielens,
        (
            Line(
                "`embrec train`, MovieLens 100K, prompt to prompt, seconds",
                "wall s",
                0.7,
                tried=IMPORT,
            ),
            Line("the same, CPU seconds of client and server", "CPU s", 0.7, tried=IMPORT),
        ),
    ),
    "train-1m": Row(
        "small",
        "1m",
        3,
        rows_training.default,
        (
            Line(
                "default training, 0.8M ratings, 6k x 4k, CPU seconds",
                "CPU s",
                1 / 2.5,
                tried="the regression on features is preconditioned, and its gathers are as quick in half precision;"
                " three fifths are 220 sweeps, which fewer draws would shorten at a higher error, a fifth is EASE, a"
                " tenth the import of TensorFlow",
            ),
            Line("the same, RMSE of held-out ratings", "RMSE", 1.002, target=NO_WORSE),
            Line("the same, NDCG@10", "NDCG@10", at_least=0.99, target="no worse, within 1 %"),
        ),
    ),
    "train-wide": Row(
        "small",
        "wide",
        3,
        rows_training.default,
        (
            Line(
                "default training, 100,000 ratings, 600 x 10k, CPU seconds",
                "CPU s",
                0.1,
                tried="EASE by users, the penalty among half of the movies; the rest is the sampler and " + IMPORT,
            ),
            Line(
                "the same, peak memory, MB",
                "peak MB",
                0.1,
                tried="TensorFlow and Keras take 600 MB alone, and EASE adds less than 100",
            ),
        ),
    ),
    "sweep": Row(
        "small",
        "2m",
        3,
        rows_training.sweep,
        (
            Line(
                "a sweep, beside an iteration of myFM, CPU seconds",
                "CPU s",
                0.15,
                over="myFM",
                tried="sums, draws, likelihoods and predictions are compiled; half of a sweep is the regression on"
                " features, which myFM's iteration with ids alone does not have",
            ),
            Line("the same, beside the baseline's sweep", "CPU s"),
        ),
    ),
    "serial": Row(
        "small",
        "5m",
        3,
        rows_training.serial,
        (Line("serial share of a sweep, 5M ratings (before, by hand: 0.26 to 0.34)", "serial share", 0.05, over=""),),
    ),
    "titles": Row(
        "small",
        "1000x300000x20000",
        5,
        rows_titles.titles,
        (
            Line("find_movies, 300,000 titles, p50 in ms", "find_movies ms", 20, over=""),
            Line(
                "suggest_movies, 300,000 titles, p50 in ms",
                "suggest_movies ms",
                20,
                over="",
                tried="one index is scanned for bounds of the similarity, and 500 titles are compared: any query takes"
                " the same time, where it was up to half a second; less would need a dictionary of words",
            ),
        ),
    ),
    "load": Row(
        "scale",
        "20m",
        3,
        rows_bulk.load,
        (
            Line(
                "load, 20M ratings from CSV, beside raw COPY with key, M ratings a second",
                "M ratings a second",
                at_least=0.65,
                over="raw COPY",
                tried="the first load counts movies as it reads, without a sort in the server; two thirds of the CPU"
                " time are the server's COPY, primary key and two foreign keys",
            ),
        ),
    ),
    "load-events": Row(
        "small",
        "6000x3400x1000000",
        5,
        rows_bulk.events,
        (
            Line(
                "load, a million events from CSV, beside raw COPY with the same keys, M events a second",
                "M events a second",
                at_least=0.6,
                over="raw COPY",
                tried="the server's COPY and keys take as long as those of the raw table. The start of the command"
                " takes half a CPU second, without pandas, and reading and checking the file another",
            ),
            Line("the same, stored bytes an event, with keys", "bytes an event", 1.05, over="raw COPY"),
        ),
    ),
    "train-events": Row(
        "small",
        "6000x3400x1000000",
        3,
        rows_training.of_events,
        (
            Line(
                "load and train a million events, 6,000 users, 3,400 movies, CPU s",
                "load and train, CPU s",
                180,
                over="",
            ),
        ),
    ),
    "next": Row(
        "small",
        "6000x3400x1000000",
        5,
        rows_answers.following,
        (
            Line(
                "recommend_next, 3,400 movies, server CPU ms, beside recommend_movies",
                "CPU ms",
                3,
                over="lists",
                ours="next",
            ),
            Line(
                "recommend_next, 100,000 movies, server CPU ms, beside 3,400",
                "CPU ms",
                2,
                over="next",
                ours="next, 100k",
            ),
        ),
    ),
    "train-20m": Row(
        "scale",
        "20m",
        1,
        rows_training.default,
        (
            Line("default training, 20M ratings, 1M x 10k, the fit, seconds", "fit s", 1 / 4, tried=TWENTY),
            Line("the same, the whole command, seconds", "wall s", 1 / 4, tried=TWENTY),
            Line(
                "the same, peak memory, MB",
                "peak MB",
                1 / 2.5,
                tried="draws are compressed as they come; left are about .8 GB of draws of a million users, .4 for each"
                " square array of EASE, and .6 for TensorFlow",
            ),
            Line("the same, RMSE of held-out ratings", "RMSE", 1.002, target=NO_WORSE),
            Line("the same, NDCG@10", "NDCG@10", at_least=0.99, target="no worse, within 1 %"),
        ),
    ),
    "stored": Row(
        "scale",
        "20m",
        1,
        rows_bulk.stored,
        (
            Line(
                "stored per user and run, with keys, bytes",
                "bytes a user",
                500,
                over="",
                tried="users' ranking vectors are not stored; `embrec train --half` stores a third less",
            ),
        ),
    ),
    "recommend": Row(
        "scale",
        "20m",
        5,
        rows_answers.recommend,
        (
            Line("recommend, filters, seen left out, 1M x 10k, server CPU ms", "CPU ms", 1 / 3.5, tried=LOOKUPS),
            Line("the same, beside a plain pgvector scan", "CPU ms", 0.4, over="plain pgvector", tried=LOOKUPS),
        ),
    ),
    "others": Row(
        "scale",
        "20m",
        3,
        rows_answers.others,
        (
            Line("similar movies, 1M x 10k, p50 in ms", "similar movies, p50 ms"),
            Line("similar users among 1M, exact; by an index in the baseline, p50 in ms", "similar users, p50 ms"),
            Line("predict a rating, 1M x 10k, p50 in ms", "predict, p50 ms"),
            Line("recommend, filters, not prepared, 1M x 10k, p50 in ms", "recommend, not prepared, p50 ms"),
        ),
    ),
    "clients": Row(
        "scale",
        "20m",
        5,
        rows_answers.clients,
        (Line("recommendations a second, 8 clients", "a second", at_least=3, tried=LOOKUPS),),
    ),
    "first": Row(
        "scale",
        "20m",
        5,
        rows_answers.first,
        (
            Line(
                "first recommend on a new connection, p50 in ms",
                "p50 ms",
                1 / 2,
                tried="operands of one type, arrays between functions, and tables read only for ties leave 380 of 617"
                " lookups in the catalogue",
            ),
        ),
    ),
    "pairs": Row(
        "scale",
        "20m",
        3,
        rows_answers.pairs,
        (
            Line(
                "predict_ratings, a million pairs, CPU seconds of the server",
                "server CPU s",
                0.6,
                tried="pairs are joined to vectors once, and written to no file; sorting them, a query for each kind of"
                " user, and more working memory are no faster",
            ),
        ),
    ),
    "add": Row(
        "scale",
        "20m",
        5,
        rows_answers.add,
        (
            Line(
                "add a rating and recommend, p50 in ms",
                "p50 ms",
                1 / 2,
                tried="triggers only note the change; more than half is the recommendation after it",
            ),
        ),
    ),
    "watermark": Row(
        "scale",
        "20m",
        5,
        rows_bulk.watermark,
        (Line("ten thousand new rows into 20M, by a watermark, seconds", "wall s", 1 / 5),),
    ),
    "refresh": Row(
        "scale",
        "20m",
        1,
        rows_bulk.refresh,
        (
            Line("refresh, 1,000 new movies with 20,000 ratings, 1M users, seconds", "wall s", 1 / 10, tried=SOLVED),
            Line("the same, CPU seconds of client and server", "CPU s", 1 / 10, tried=SOLVED),
        ),
    ),
    "quick": Row(
        "scale",
        "20m",
        1,
        rows_training.quick,
        (Line("`embrec train --draws 0`, 20M ratings, seconds", "wall s", 1 / 5),),
    ),
    "catalogues": Row(
        "serving",
        "200000x10000x4000000",
        5,
        rows_answers.catalogues,
        (
            Line("recommend, filters, 100k movies, server CPU ms, beside 10k", "CPU ms", 2, over="10k", ours="100k"),
            Line("recommend, filters, 1M movies, server CPU ms, beside 10k", "CPU ms", 2, over="10k", ours="1M"),
            Line("recommend, filters, 100k movies, server CPU ms", "CPU ms", over="baseline, 100k", ours="100k"),
        ),
    ),
}
