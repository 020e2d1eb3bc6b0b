"""Trains the four scikit-learn classifiers of this example and exports them with skl2onnx.

Usage:  python3 -m venv env && env/bin/pip install scikit-learn skl2onnx
        env/bin/python conf/digits/training/train.py          (about a minute)

597 of the 1,797 digits that scikit-learn ships are for training. The other 1,200 go into data/digits.csv for the profile and the load
test; they are not used for model selection.
"""
import csv
import pathlib

import numpy as np
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

HERE = pathlib.Path(__file__).resolve().parent
SEED = 14424
KEPT = 1_200

FAMILY = {
    "logistic": make_pipeline(MinMaxScaler(), LogisticRegression(C=0.1, max_iter=1_000)),
    "forest": RandomForestClassifier(60, max_depth=9, random_state=SEED),
    "boosting": GradientBoostingClassifier(n_estimators=150, max_depth=3, max_features=8, subsample=0.5, random_state=SEED),
    # Probabilities instead of distances, because certainties are estimated from them.
    "svm": CalibratedClassifierCV(SVC(gamma=0.001, C=10), ensemble=False),
}


def main():
    images, labels = load_digits(return_X_y=True)
    training, kept, training_labels, kept_labels = train_test_split(
        images.astype(np.float32), labels, test_size=KEPT, stratify=labels, random_state=SEED)
    for name, model in FAMILY.items():
        model.fit(training, training_labels)
        print(f"{name}: {100 * model.score(kept, kept_labels):.2f} % of the kept digits")
        # Outputs a label and a table of probabilities. Without zipmap=False the output is a map, which can be served too.
        graph = to_onnx(model, training[:1], options={"zipmap": False}, target_opset=17)
        (HERE.parent / "models" / f"{name}.onnx").write_bytes(graph.SerializeToString())
    with open(HERE.parent / "data" / "digits.csv", "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*(f"p{row}{column}" for row in range(8) for column in range(8)), "label"])
        writer.writerows([*map(int, image), label] for image, label in zip(kept, kept_labels))


if __name__ == "__main__":
    main()
