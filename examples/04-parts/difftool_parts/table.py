"""A minimal tracker: one line of a CSV file for every logged loss."""

from difftool import Observer


class Table(Observer):
    def __init__(self, options):
        self.name = options.name

    def begin(self, run):
        self.file = open(run.path / self.name, "a", encoding="utf-8")  # noqa: SIM115 (closed when the run ends)
        if self.file.tell() == 0:
            self.file.write("step,loss,lr\n")

    def step(self, event):
        if event.mean_loss is not None:
            self.file.write(f"{event.step},{event.mean_loss},{event.lr}\n")

    def end(self, result):
        self.file.close()
