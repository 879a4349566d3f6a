#!/usr/bin/env bash
# Fit a Keras model on batches of sequences, each batch as wide as its longest sequence.
#
# Version:    Keras 3.15.1 with TensorFlow 2.21.0. embrec is not used.
# Guess:      A model whose input has the shape (None,) takes batches of any width from a keras.utils.PyDataset, in any
#             order, because the width is not fixed anywhere.
# Behaviour:  The order of the batches decides. model.fit looks at the first two batches. If their widths differ, any
#             width is taken. If they are equal, that width is expected of all batches, and the first batch of another
#             width ends the fit with an InvalidArgumentError. Shuffling the batches makes the same data fit or not.
# Output:     keras 3.15.1, tensorflow 2.21.0
#             widths 2 6 2: fitted
#             widths 2 2 6: InvalidArgumentError
#             widths 6 2 2: fitted
#             widths 2 2 6, predicted batch by batch: 3
#
# Exit status: 0 as stated, 1 changed, 2 it could not be tried. Run: bash findings/keras-width-of-the-first-two-batches.sh
set -uo pipefail

skip() { echo "Not tried: $*" >&2; exit 2; }

work=$(mktemp -d) || skip "no temporary folder"
trap 'rm -rf "$work"' EXIT
cd "$work" || skip "the temporary folder cannot be used"

{
    python3 -m venv venv \
        && venv/bin/python -m pip install --quiet keras==3.15.1 tensorflow==2.21.0 \
        && TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python -c "import keras"
} > log 2>&1 || skip "the packages cannot be installed: $(tail -n 1 log)"

cat > seen.py <<'PYTHON'
import keras
import numpy as np
import tensorflow as tf


class Batches(keras.utils.PyDataset):
    def __init__(self, widths):
        super().__init__()
        self.widths = widths

    def __len__(self):
        return len(self.widths)

    def __getitem__(self, number):
        return np.ones((5, self.widths[number]), np.int32), np.ones(5, np.float32)


def model():
    ids = keras.Input((None,), dtype="int32")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(ids))
    made = keras.Model(ids, keras.layers.Dense(1)(mean))
    made.compile("sgd", "mse")
    return made


print(f"keras {keras.__version__}, tensorflow {tf.__version__}")
for widths in ((2, 6, 2), (2, 2, 6), (6, 2, 2)):
    try:
        model().fit(Batches(widths), epochs=1, shuffle=False, verbose=0)
        outcome = "fitted"
    except Exception as error:
        outcome = type(error).__name__
    print(f"widths {' '.join(map(str, widths))}: {outcome}")
batches, made = Batches((2, 2, 6)), model()
print("widths 2 2 6, predicted batch by batch:", len([made.predict_on_batch(batches[i][0]) for i in range(3)]))
PYTHON

cat > stated <<'TEXT'
keras 3.15.1, tensorflow 2.21.0
widths 2 6 2: fitted
widths 2 2 6: InvalidArgumentError
widths 6 2 2: fitted
widths 2 2 6, predicted batch by batch: 3
TEXT

TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python seen.py > seen 2> log  # an error of a call is a change too
cat seen
diff stated seen || exit 1
