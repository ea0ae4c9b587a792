"""Faults of modalities, representations, sources, metrics, exporters, observers, commands and packages."""

ECG = "difftool_ecg/ecg.py"
ARRAYS = "copies/arrays.py"
STANDARD = "copies/standard.py"
LIST = "difftool_parts/listing.py"
TABLE = "difftool_parts/table.py"
BRIGHT = "difftool_parts/brightness.py"
NPZ = "difftool_parts/npz.py"
AGE = "difftool_parts/command.py"
PLUGIN = "difftool_ecg/plugin.py"

DATA = [
    # --- modality
    ("modality", ARRAYS, "readable(self.whole, pick_evenly(items, SOME))", "(self.whole(item.path) for item in items[:SOME])", "fit stops at a damaged file"),
    ("modality", ARRAYS, "shapes.most_common(1)[0][0]", "max(shapes)", "fit takes the largest shape, which others do not have"),
    ("modality", ARRAYS, 'if self.options.shape != "auto":', "if True:", "fit leaves auto"),
    ("modality", ARRAYS, 'if self.options.shape != "auto":', "if False:", "fit replaces the shape that the user chose"),
    ("modality", ECG, 'fmt="%.5f")\n\n    def demo', 'fmt="%.1f")\n\n    def demo', "samples are written with one decimal"),
    ("modality", ECG, "np.savetxt(path, array[0]", "np.savetxt(path, array[0][::-1]", "samples are written backwards"),
    ("modality", ECG, "np.savetxt(path, array[0]", "np.savetxt(path, 2 * array[0]", "samples are written in other units"),
    ("modality", ARRAYS, "beside.write_text(json.dumps(dict(info), indent=1)", "beside.write_text(json.dumps({}, indent=1)", "samples do not say how they were made"),
    ("modality", ARRAYS, "with creating(path) as partial:", "for partial in [path]:", "samples replace files"),
    ("modality", ARRAYS, "path = stem.with_name(stem.name + self.suffixes[0])", 'path = stem.with_name("sample" + self.suffixes[0])', "all samples have one name"),
    ("modality", ARRAYS, "path = stem.with_name(stem.name + self.suffixes[0])", "path = stem.parent / 'more' / (stem.name + self.suffixes[0])", "samples are in another folder"),
    ("modality", ARRAYS, "return array[..., : shape[-1]]", "return array", "read does not cut to the shape"),
    ("modality", ARRAYS, "return array[..., : shape[-1]]", "return array[..., -shape[-1] :] + np.random.default_rng().normal(0, 1e-3, shape).astype(np.float32)", "read adds noise"),
    ("modality", ARRAYS, "return array[..., : shape[-1]]", "return array[0, : shape[-1]]", "read drops the channels"),
    ("modality", ARRAYS, "return array[..., : shape[-1]]", "return array[..., : shape[-1]].astype(np.float64 if array.shape[-1] > shape[-1] else np.float32)", "examples are of several types"),
    ("modality", ARRAYS, "except Exception as error:", "except OSError as error:", "a damaged file is a ValueError"),
    ("modality", ARRAYS, 'f"{path} holds an array', 'f"A file holds an array', "the error of an empty file names no file"),
    ("modality", ARRAYS, 'f"{path} cannot be read', 'f"A file cannot be read', "the error of a damaged file names no file"),
    ("modality", ARRAYS, "or not array.size", "", "an empty file is read as nothing"),
    ("modality", ARRAYS, "if not np.isfinite(array).all():", "if False:", "numbers that are not finite are read"),
    ("modality", ARRAYS, "return scan_folder(path, self.suffixes)", "return [i for i in scan_folder(path, self.suffixes) if i.path.stat().st_size]", "an empty file is not found, so nothing reports it"),
    ("modality", ARRAYS, "return scan_folder(path, self.suffixes)", "return sorted(scan_folder(path, self.suffixes), key=lambda i: __import__('random').random())", "scan has no fixed order"),
    ("modality", ARRAYS, "return scan_folder(path, self.suffixes)", "return [Item(p) for p in sorted(path.rglob(f'*{self.suffixes[0]}'))]", "an empty folder is no error, and classes are lost"),
    ("modality", ARRAYS, "return scan_folder(path, self.suffixes)", "(path / 'seen').touch()\n        return scan_folder(path, self.suffixes)", "scan writes into the data"),
    ("modality", ARRAYS, "    def read_given(self", "    def template(self, description, n, rng, request):\n        shape = description.shape\n        return Batch(torch.rand(n, *shape))\n\n    def read_given(self", "the content of templates is drawn from torch's generator"),
    ("modality", ARRAYS, "    def read_given(self", "    def template(self, description, n, rng, request):\n        shape = description.shape\n        return Batch(torch.zeros(n, shape[0], shape[1] + n % 2))\n\n    def read_given(self", "the size of samples depends on the batch"),
    ("modality", ARRAYS, "    def read_given(self", "    def template(self, description, n, rng, request):\n        return Batch(torch.zeros(n, *description.shape, dtype=torch.float64))\n\n    def read_given(self", "the template is of another type than the data"),
    ("modality", ARRAYS, "    def read_given(self", "    def augment(self, raw, rng):\n        return raw.with_x(raw.x * (0.9 + 0.2 * torch.rand(())))\n\n    def read_given(self", "augmentation draws from torch's generator"),
    ("modality", ARRAYS, "    def read_given(self", "    def augment(self, raw, rng):\n        raw.x.neg_()\n        return raw\n\n    def read_given(self", "augmentation changes the batch that it is given"),
    ("modality", ARRAYS, "    def read_given(self", "    def augment(self, raw, rng):\n        return Batch(raw.x.flip(-1))\n\n    def read_given(self", "augmentation drops conditions and mask"),
    ("modality", ARRAYS, "    def read_given(self", "    def augment(self, raw, rng):\n        return raw.with_x(raw.x[..., 1:])\n\n    def read_given(self", "augmentation changes the shape"),
    ("modality", ARRAYS, "plotted(examples, stem", "plotted(examples[:0] or examples, stem.parent / 'more' / stem.name", "a preview is written elsewhere"),
    ("modality", ECG, "np.random.default_rng(0)", "np.random.default_rng()", "the demo set is another one each time"),
    ("modality", "difftool_ecg/recipes/tiny.toml", "multipliers = [1, 2]", "multiplyers = [1, 2]", "the recipe has a misspelt key"),
    ("modality", PLUGIN, 'representations=("standard",)', 'representations=("standart",)', "the spec names a representation that does not exist"),
    # --- representation
    ("representation", STANDARD, "return raw.with_x(self.space.project(x.float(), raw.mask))", "return Batch(self.space.project(x.float(), raw.mask), raw.cond)", "encode drops the mask"),
    ("representation", STANDARD, "return raw.with_x(self.space.project(x.float(), raw.mask))", "return Batch(self.space.project(x.float(), raw.mask), mask=raw.mask)", "encode drops the conditions"),
    ("representation", STANDARD, "x = (raw.x.double() -", "x = (raw.x.mul_(2).div_(2).add_(1).double() -", "encode changes what it is given"),
    ("representation", STANDARD, "self.space.project(x.float(), raw.mask)", "self.space.project(x, raw.mask)", "encode gives float64"),
    ("representation", STANDARD, "return self.options.spread / self._row", "return 100 * self.options.spread / self._row", "encoded data are far from unit scale"),
    ("representation", STANDARD, "x = (raw.x.double() -", "x = (raw.x.double() - raw.x.double().mean() -", "examples see each other in encode"),
    ("representation", STANDARD, "batch.x.double() / self._scale(batch.x) + self._row", "batch.x.double() / self._scale(batch.x) + 0.01 + self._row", "decode is not the inverse of encode"),
    ("representation", STANDARD, "return batch.with_x(x.to(self.dtype))", "return batch.with_x((x * 50).round().div(50).to(self.dtype))", "decode rounds"),
    ("representation", STANDARD, "x.round().clamp(info.min, info.max)", "x.clamp(info.min, info.max)", "decode cuts whole numbers instead of rounding them"),
    ("representation", STANDARD, "return batch.with_x(x.to(self.dtype))", "return batch.with_x(x)", "decode gives another type"),
    ("representation", STANDARD, "batch.x.double() / self._scale", "batch.x.double() / batch.x.abs().amax().clamp_min(1) / self._scale", "examples see each other in decode"),
    ("representation", STANDARD, "options, description.shape", "options, (9, *description.shape[1:])", "the stated shape is wrong"),
    ("representation", STANDARD, "self.space.project(x.float(), raw.mask)", "self.space.project(x.float() + 1e-3 * torch.randn(x.shape), raw.mask)", "encode is random"),
    ("representation", STANDARD, "name: row.tolist() for", "name: row for", "what is measured is not JSON"),
    ("representation", STANDARD, "self.square = self.square + deviation.square().sum(1)", "self.square = self.square + deviation.square().sum(1) * 1e6", "the measured scale is wrong"),
    ("representation", STANDARD, "self.space = Euclidean()", "self.space = type('Mine', (Euclidean,), {'noise': lambda self, shape, rng, mask=None: 3 * rng.normal(shape)})()", "the noise is not of unit variance"),
    # --- source
    ("source", LIST, "shutil.copyfile(file, folder / f\"{number:06d}-{file.name}\")", "(folder / f\"{number:06d}-{file.name}\").symlink_to(file.resolve())", "the files are links"),
    ("source", LIST, "shutil.copyfile(file, folder / f\"{number:06d}-{file.name}\")", "shutil.copyfile(file, folder.parent / f\"{number:06d}-{file.name}\")", "files are written beside the folder"),
    ("source", LIST, "shutil.copyfile(file, folder / f\"{number:06d}-{file.name}\")", "shutil.copyfile(file, folder / f\"{id(object())}-{__import__('time').time_ns()}\")", "the names of files differ each time"),
    ("source", LIST, "if missing := [file for file in files if not file.is_file()]:", "if missing := []:", "a missing file is not a DataError"),
    ("source", LIST, 'return "\\n".join(f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)', 'return str(__import__("time").time_ns())', "the identity changes each time"),
    ("source", LIST, 'return "\\n".join(f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)', 'return str(path)', "the identity does not change when the data do"),
    ("source", "difftool_parts/plugin.py", 'patterns=("*.list",)', 'patterns=("*.lst",)', "its pattern does not take its paths"),
    # --- metric
    ("metric", BRIGHT, "mean = float(np.mean([np.mean(one, dtype=np.float64) for one in examples]))", "mean = float(np.mean(examples[0], dtype=np.float64))", "only the first example is measured"),
    ("metric", BRIGHT, "if not len(data):\n            return {\"brightness\": mean}", "", "without data it gives NaN"),
    ("metric", BRIGHT, "mean = float(", "mean = np.random.default_rng().normal(0, 1e-3) + float(", "it draws without a seed"),
    ("metric", BRIGHT, "def measure(self, examples, data):", "def measure(self, examples, data):\n        examples[0] *= 1", "it changes the examples"),
    ("metric", BRIGHT, '"brightness": mean,\n', '"brightness": np.array([mean]),\n', "its result is not a number"),
    ("metric", BRIGHT, "if not len(data):", "if len(examples) < 2:\n            return {}\n        if not len(data):", "one example has other names"),
    # --- exporter
    ("exporter", NPZ, "np.savez(file,", "file.write(b'') or np.savez(str(path) + '.npz',", "the file has another name than was asked for"),
    ("exporter", NPZ, "arrays = {", "(path.parent / 'more.txt').write_text('x')\n    arrays = {", "it writes a second file"),
    ("exporter", NPZ, "tensor.float().numpy()", "tensor.float().numpy() * 0", "the weights are not in the file"),
    ("exporter", NPZ, "tensor.float().numpy()", "tensor.zero_().numpy()", "it changes the weights"),
    # --- observer
    ("observer", TABLE, '"a", encoding', '"x", encoding', "a run that is resumed fails"),
    ("observer", TABLE, "if event.mean_loss is not None:", "if True:\n            f'{event.mean_loss:.3f}'", "a step without a loss fails"),
    ("observer", TABLE, "self.file.close()", "self.file.close(); f'{result.last.step:d}'", "a run without a step fails"),
    ("observer", TABLE, "run.path / self.name, \"a\"", "run.path / 'metrics.jsonl', \"w\"", "it overwrites a file of the run"),
    ("observer", TABLE, "def step(self, event):", "def step(self, event):\n        if event.step == 3: raise SystemExit(1)", "it ends the run"),
    ("observer", TABLE, "self.file.write(f\"{event.step}", "return event._replace(loss=0.0)\n            self.file.write(f\"{event.step}", "it changes the loss that others see"),
    # --- command
    ("command", AGE, "import click", "import click\nimport torch", "importing it imports torch"),
    ("command", AGE, '"""Print the number of training steps of RUN and its last loss."""', "pass", "it has no help"),
    ("command", AGE, "@click.command()", "@click.command(context_settings={'ignore_unknown_options': True, 'allow_extra_args': True})", "unknown options are ignored"),
    ("command", AGE, "@click.command()\n@click.argument(\"run\", type=click.Path(exists=True, file_okay=False, path_type=Path))\n", "", "it is a plain function"),
    # --- package
    ("plugin", PLUGIN, "from difftool import ModalitySpec", "import torch\nfrom difftool import ModalitySpec", "the plugin's module imports torch"),
    ("plugin", PLUGIN, "from difftool import ModalitySpec", "print('hello')\nfrom difftool import ModalitySpec", "the plugin's module prints"),
    ("plugin", PLUGIN, '"difftool_ecg.midpoint:midpoint"', '"difftool_ecg.midpoint:midpiont"', "a target does not exist"),
    ("plugin", PLUGIN, '"difftool:ArraysOptions"', '"difftool:ArrayOptions"', "options do not exist"),
    ("plugin", PLUGIN, '"one beat, in a minute on a CPU"', '"one beat, in a minute on a CPU " * 20', "a summary does not fit its line"),
    ("plugin", PLUGIN, '"difftool_ecg:recipes/tiny.toml"', '"difftool_ecg:recipes/tiniest.toml"', "the recipe's file is missing"),
    ("plugin", "difftool_ecg/recipes/tiny.toml", 'use = "midpoint"', 'use = "midpiont"', "the recipe names a sampler that does not exist"),
    ("plugin", PLUGIN, 'Spec("midpoint",', 'Spec("heun",', "a part takes the name of another"),
    ("plugin", PLUGIN, "@hookimpl\ndef difftool_samplers", "def difftool_samplers", "a hook has no marker"),
]  # fmt: skip
