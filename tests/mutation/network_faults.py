"""Faults of networks, conditioners, bridges, optimizers and guidances."""

UNET = "copies/unet.py"
ATTEND = "copies/attention.py"
BLOCKS = "copies/blocks.py"
EMBED = "copies/embedding.py"
TEXT = "toytext/conditioner.py"
COLUMN = "toytext/column.py"
RESAMPLE = "copies/resample.py"
LION = "difftool_parts/lion.py"
FADING = "difftool_parts/fading.py"
PAIR = "copies/pair.py"

NETWORKS = [
    # --- backbone
    ("backbone", UNET, "self.embedding(c_noise, signals.vector),", "self.embedding(c_noise, None if signals.vector is None else 0 * signals.vector),", "the vector is ignored"),
    ("backbone", UNET, "            signals.tokens,\n", "            None if signals.tokens is None else 0 * signals.tokens,\n", "tokens are ignored"),
    ("backbone", UNET, "h = self.enter(x, signals.channels, mask)", "h = self.enter(x, None if signals.channels is None else 0 * signals.channels, mask)", "channels are ignored"),
    ("backbone", UNET, "self.embedding(c_noise, signals.vector),", "self.embedding(0 * c_noise, signals.vector),", "the noise level is ignored"),
    ("backbone", UNET, "return self.leave(h, x.shape[2:], masks[0])", "return self.leave(h, x.shape[2:], masks[0]).double()", "the output is float64"),
    ("backbone", UNET, "return self.leave(h, x.shape[2:], masks[0])", "return self.leave(h, x.shape[2:], masks[0]) * x.std()", "examples see each other"),
    ("backbone", UNET, "            signals.token_mask,\n", "            None,\n", "padding among tokens is attended to"),
    ("backbone", ATTEND, "return None if mask is None else mask.flatten(2).bool().unsqueeze(1)", "return None", "attention reads padding"),
    ("backbone", ATTEND, "h = self.norm(x, mask=mask)", "h = self.norm(x)", "a normalisation in front of attention counts padding"),
    ("backbone", BLOCKS, "h = self.conv1(self.norm1(x, mask=mask))", "h = self.conv1(self.norm1(x))", "a normalisation counts padding"),
    ("backbone", BLOCKS, "return self.conv(masked(x, mask))", "return self.conv(x)", "a change of level reads padding"),
    ("backbone", UNET, "masks.append(every(masks[-1], factor))", "masks.append(masks[-1][..., : -(-masks[-1].shape[-1] // factor)])", "the masks of deeper levels are wrong"),
    ("backbone", UNET, "entered(x, further, mask)", "entered(x, further, None)", "values in padding are read"),
    ("backbone", UNET, "h = self.enter(x,", "x = x.mul_(1.0 + 1e-6)\n        h = self.enter(x,", "it changes its input"),
    ("backbone", UNET, "return self.leave(h, x.shape[2:], masks[0])", "return self.leave(h, x.shape[2:], masks[0]) + 1e-4 * torch.randn_like(x)", "evaluating is random"),
    ("backbone", UNET, "self.norm = NormActivation(widths[0])", "self.norm = NormActivation(widths[0])\n        self.spare = nn.Parameter(torch.ones(3))", "a parameter is never used"),
    ("backbone", UNET, "return unpatchify(self.head(self.norm(h, mask=mask)), self.patch, sizes)", "return self.head(self.norm(h, mask=mask))", "the output is not as large as the input"),
    ("backbone", UNET, "h = self.enter(x,", "self.calls = getattr(self, 'calls', 0) + 1\n        x = x + 1e-3 * self.calls\n        h = self.enter(x,", "the output depends on how often it was evaluated"),
    # --- conditioner
    ("conditioner", TEXT, "return torch.full_like(value, PADDING)", "return torch.zeros_like(value)", "null is not the column's null"),
    ("conditioner", TEXT, "return torch.full_like(value, PADDING)", "return torch.full_like(value, PADDING).float()", "null is of another type"),
    ("conditioner", TEXT, "token_mask=mask | (closed & first)", "token_mask=mask", "null has no token to attend to"),
    ("conditioner", TEXT, "torch.where((closed & first).unsqueeze(-1), self.open, tokens)", "torch.where((closed & first).unsqueeze(-1), 0 * self.open, tokens)", "the token of null does not learn"),
    ("conditioner", TEXT, "self.table(value.clamp_min(0)) + self.places", "self.table(0 * value.clamp_min(0)) + self.places", "different texts of one length give the same signals"),
    ("conditioner", TEXT, "self.table(value.clamp_min(0)) + self.places", "self.table(value.clamp_min(0)) + self.places + value.float().mean()", "examples see each other"),
    ("conditioner", TEXT, "self.tokens, self.dropout = options.width, options.dropout", "self.tokens, self.dropout = options.width + 1, options.dropout", "it announces another width"),
    ("conditioner", TEXT, "self.tokens, self.dropout = options.width, options.dropout", "self.tokens, self.dropout = options.width, 10 * options.dropout + 0.5", "dropout is no probability"),
    ("conditioner", COLUMN, 'return "" if text == "none" else text', "return text", "none is not null"),
    ("conditioner", COLUMN, 'return "" if text == "none" else text', "return text.upper()", "what is shown is not what is parsed"),
    ("conditioner", COLUMN, "np.full((len(values), self.length), PADDING, np.int64)", "np.full((len(values), max(len(v.encode()) for v in values)), PADDING, np.int64)", "a row depends on the others"),
    ("conditioner", COLUMN, "most_common(100) for _ in range(_)", "most_common(1) for _ in range(_)", "draws are of one value only"),
    ("conditioner", COLUMN, "return self.texts[int(u * len(self.texts))]", 'return ""', "null is drawn"),
    ("conditioner", COLUMN, "import numpy as np", "import numpy as np\nimport torch", "the column's module imports torch"),
    ("conditioner", "toytext/plugin.py", 'column="toytext.column:CaptionColumn"', 'column=""', "the spec names no column"),
    # --- bridge
    ("bridge", RESAMPLE, "x, mask = raw.x.float(), raw.mask\n        for axis in self.axes:\n            x, mask = axis.fewer(x, mask)\n        return Batch(_as(x, mask, raw.x.dtype), mask=mask)", "x, mask = raw.x.float(), raw.mask\n        for axis in self.axes:\n            x, mask = axis.fewer(x, mask)\n        return Batch(_as(x, mask, raw.x.dtype))", "degrade drops the mask"),
    ("bridge", RESAMPLE, "x, mask = raw.x.float(), raw.mask\n        for axis in self.axes:\n            x, mask = axis.fewer(x, mask)\n        return Batch(_as(x, mask, raw.x.dtype), mask=mask)", "x, mask = raw.x.float(), None\n        for axis in self.axes:\n            x, mask = axis.fewer(x, mask)\n        return Batch(_as(x, mask, raw.x.dtype), mask=raw.mask if raw.mask is None else raw.mask[..., ::2])", "degrade reads padding"),
    ("bridge", RESAMPLE, "return Batch(_as(x, mask, raw.x.dtype), mask=mask)", "return Batch(_as(x, mask, raw.x.dtype).double(), mask=mask)", "degrade changes the type"),
    ("bridge", RESAMPLE, "return Batch(_as(x, mask, raw.x.dtype), mask=mask)", "return Batch(_as(x, mask, raw.x.dtype) + 1e-3 * torch.randn(x.shape), mask=mask)", "degrade is random"),
    ("bridge", RESAMPLE, "return Batch(_as(x, mask, raw.x.dtype), mask=mask)", "return Batch(_as(x - x.mean(), mask, raw.x.dtype), mask=mask)", "examples see each other in degrade"),
    ("bridge", RESAMPLE, "if earlier.dtype != own.dtype or", "if", "an earlier stage of another type is accepted"),
    ("bridge", RESAMPLE, "if low.ndim != len(self.factors) or low.dtype != np.dtype(self.description.dtype):", "if False:", "a template takes what no stage made"),
    ("bridge", RESAMPLE, "self.representation.encode(raw.with_x(self.lift(low, raw))).x, {}", "self.representation.encode(raw.with_x(self.lift(low, raw) + 0.1 * raw.x)).x, {}", "what is shown holds what is to be made"),
    ("bridge", RESAMPLE, "x + expand_as(level, x) * self.representation", "x + 0 * expand_as(level, x) * self.representation", "augmentation adds no noise"),
    ("bridge", RESAMPLE, "x + expand_as(level, x) * self.representation", "x + (0.1 + expand_as(level, x)) * self.representation", "there is noise at level 0"),
    ("bridge", RESAMPLE, "ChannelsColumn(\n            LOW, width=self.width + self.options.observed\n        )", "ChannelsColumn(\n            LOW, width=self.width + 1\n        )", "it announces another width"),
    ("bridge", RESAMPLE, "x / expand_as(self._gain(level), x) + batch.cond[LOW] / expand_as(self._unit(level), x)", "x / expand_as(self._gain(level), x)", "restore forgets the coarse part"),
    ("bridge", RESAMPLE, "return raw.with_x(_as(raw.x.float() + missing, raw.mask, raw.x.dtype))", "return raw.with_x(_as(raw.x.float() - missing, raw.mask, raw.x.dtype))", "enforcing consistency makes it worse"),
    # --- optimizer
    ("optimizer", LION, 'p.mul_(1 - group["lr"] * group["weight_decay"])', 'p.mul_(1 - 0.1 * group["weight_decay"])', "weight decay ignores the learning rate"),
    ("optimizer", LION, 'alpha=-group["lr"]', "alpha=-0.01", "the learning rate is ignored"),
    ("optimizer", LION, 'alpha=-group["lr"]', 'alpha=group["lr"]', "it climbs"),
    ("optimizer", LION, "momentum.lerp_(p.grad, 1 - second)", "momentum.lerp_(p.grad, 1 - second); self.count = getattr(self, 'count', 0) + 1; p.add_(1e-6 * self.count)", "something that it remembers is not in its state"),
    ("optimizer", LION, 'self.state[p].setdefault("momentum", torch.zeros_like(p))', 'self.__dict__.setdefault("memory", {}).setdefault(p, torch.zeros_like(p))', "the momentum is not in its state"),
    ("optimizer", LION, "decay_groups(module, options.weight_decay)", "[{'params': list(module.parameters()), 'weight_decay': options.weight_decay}]", "vectors are decayed"),
    ("optimizer", LION, "if p.grad is None:\n                    continue", "if p.grad is None:\n                    p.mul_(0.9)\n                    continue", "what requires no gradient changes"),
    ("optimizer", LION, '"betas": options.betas', '"betas": (0.0, 0.0)', "it ignores its options"),
    # --- guidance
    ("guidance", FADING, "null = denoiser.null(cond) | {name: cond[name] for name in kept}", "null = denoiser.null(cond)", "conditions that must be kept are dropped"),
    ("guidance", FADING, "x0 = given(x, sigma)", "x0 = bind(denoiser, cond, mask)(x, sigma)", "conditions are encoded at each evaluation"),
    ("guidance", FADING, "x0 = given(x, sigma)", "x0 = given(x.add_(0.0), sigma).add_(x.mul_(1.0001) * 0)", "it writes to x"),
    ("guidance", FADING, "return x0 + (self.options.scale - 1)", "return (x0 - x0.mean()) + (self.options.scale - 1)", "examples see each other"),
    ("guidance", FADING, "bind(denoiser, cond, mask), bind(denoiser, null, mask)", "bind(denoiser, cond), bind(denoiser, null)", "the mask is lost"),
    ("guidance", FADING, "x0 = given(x, sigma)", "x0 = given(x, sigma).double()", "the estimate is float64"),
    ("guidance", FADING, "x0 = given(x, sigma)", "x0 = given(x, sigma) + 1e-3 * __import__('torch').randn_like(x)", "it draws noise"),
    ("guidance cfg", PAIR, "null = unconditional(denoiser, cond, kept)", "null = unconditional(denoiser, cond, ())", "conditions that must be kept are dropped"),
    ("guidance cfg", PAIR, "for name in null}, _twice(mask)", "for name in null}, None", "the mask is lost"),
]  # fmt: skip
