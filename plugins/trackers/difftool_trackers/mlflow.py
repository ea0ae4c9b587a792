"""MLflow, through its client: no state of the process changes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from difftool import RunInfo

from .options import MlflowOptions
from .tracker import Tracker, flat

AT_ONCE, LONGEST = 100, 500
"""Parameters of one request, and characters of a value, that every server accepts."""


class Mlflow(Tracker):
    """A run of an experiment."""

    use = "mlflow"
    options: MlflowOptions

    def open(self, run: RunInfo, name: str, identifier: str) -> str:
        # its stores of files ask for this since version 3
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient
        from mlflow.entities import Param

        beside = (run.path.resolve().parent / "mlruns").as_uri()
        uri = self.options.uri or os.environ.get("MLFLOW_TRACKING_URI", beside)
        self._client = MlflowClient(tracking_uri=uri)
        if identifier:
            self._client.update_run(identifier, status="RUNNING")
            self._id = identifier
            return identifier
        experiment = self._client.get_experiment_by_name(self.options.project)
        number = (
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(self.options.project)
        )
        self._id = self._client.create_run(number, run_name=name).info.run_id
        settings = [Param(key, str(value)[:LONGEST]) for key, value in flat(run.config)]
        for at in range(0, len(settings), AT_ONCE):
            self._client.log_batch(self._id, params=settings[at : at + AT_ONCE])
        return self._id

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        found = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=found)

    def file(self, step: int, name: str, path: Path) -> None:
        self._client.log_artifact(self._id, str(path), f"{name}s")

    def text(self, name: str, text: str) -> None:
        self._client.log_text(self._id, text, f"{name}.txt")

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")
