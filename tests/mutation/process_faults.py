"""Faults of objectives, samplers and processes."""

OBJECTIVE = "copies/objective.py"
MIDPOINT = "difftool_ecg/midpoint.py"
HEUN = "copies/heun.py"
DPMPP = "copies/dpmpp.py"
DDIM = "copies/ancestral.py"
ROW = "copies/preconditioning.py"
DENSITY = "copies/density.py"
WEIGHTING = "copies/weighting.py"
SCHEDULE = "copies/schedule.py"

PROCESSES = [
    # --- objective
    ("objective", OBJECTIVE, "drop_conditions(self.denoiser, batch.cond, rng)", "batch.cond", "conditions are never dropped"),
    ("objective", OBJECTIVE, "rng.uniform((len(value),)) < conditioner.dropout", "rng.uniform((len(value),)) < 0.01", "conditions are dropped less often than their conditioner says"),
    ("objective", OBJECTIVE, "rng.uniform((len(value),)) < conditioner.dropout", "rng.uniform((1,)).expand(len(value)) < conditioner.dropout", "conditions of a batch are dropped together"),
    ("objective", OBJECTIVE, "if batch.observed is not None:\n            error", "if False:\n            error", "given entries are learnt"),
    ("objective", OBJECTIVE, "if batch.observed is not None and batch.noise_free:", "if False:", "given entries are met with noise"),
    ("objective", OBJECTIVE, "if batch.observed is not None and batch.noise_free:", "if batch.observed is not None:", "given entries are always met without noise"),
    ("objective", OBJECTIVE, "self.space.noise(x0.shape, rng, mask)", "rng.normal(x0.shape)", "the noise is outside the space"),
    ("objective", OBJECTIVE, "self.space.noise(x0.shape, rng, mask)", "torch.randn(x0.shape)", "the noise is drawn from torch's generator"),
    ("objective", OBJECTIVE, "return self.space.mean_square(error, batch.mask)", "return self.space.mean_square(error)", "padding counts"),
    ("objective", OBJECTIVE, "return self.process.weighting.loss(noisy.sigma, weighted)", "return self.process.weighting.loss(noisy.sigma, weighted).mean()", "the loss is one number"),
    ("objective", OBJECTIVE, "return self.process.weighting.loss(noisy.sigma, weighted)", "return self.process.weighting.loss(noisy.sigma, weighted).double()", "the loss is float64"),
    ("objective", OBJECTIVE, "self.mean_square(output - target, batch)", "self.mean_square(output.detach() - target, batch)", "nothing is learnt"),
    ("objective", OBJECTIVE, "x0, mask = batch.x, batch.mask\n", "x0, mask = batch.x.mul_(1.0001), batch.mask\n", "it changes the examples"),
    ("objective", OBJECTIVE, "noisy = self.noised(batch, rng)\n", "self.count = getattr(self, 'count', 0) + 1\n        noisy = self.noised(batch, rng)\n        noisy = noisy._replace(x=noisy.x * (1 + 1e-3 * self.count))\n", "the loss depends on something that no checkpoint holds"),
    ("objective", OBJECTIVE, "self.denoiser.network(*noisy, memory)", "self.denoiser.network(*noisy[:3])", "the network is not given the mask"),
    # --- sampler
    ("sampler", MIDPOINT, "sigma_mid = (sigma + sigma_next) / 2", "sigma_mid = 0.6 * sigma + 0.4 * sigma_next", "the midpoint is not in the middle, so the order is 1"),
    ("sampler", MIDPOINT, "@order(2)", "@order(3)", "the stated order is false"),
    ("sampler", MIDPOINT, "@order(2)\n", "", "no order is stated"),
    ("sampler", MIDPOINT, "yield Step(i, sigma_next, x, x0)", "yield Step(i, sigma, x, x0)", "the record says the wrong level"),
    ("sampler", MIDPOINT, "yield Step(i, sigma_next, x, x0)", "yield Step(i, sigma_next, x, x)", "the record's x0 is x"),
    ("sampler", MIDPOINT, "yield Step(i, sigma_next, x, x0)", "yield Step(i, sigma_next, x, x0.double())", "the record's x0 is float64"),
    ("sampler", MIDPOINT, "yield Step(i, sigma_next, x, x0)", "yield Step(i, sigma_next, x.double() if sigma_next > 0 else x, x0)", "the record's x is float64 except in the last step"),
    ("sampler", MIDPOINT, "yield Step(i, sigma_next, x, x0)", "yield Step(i + 1, sigma_next, x, x0)", "steps are counted from 1"),
    ("sampler", MIDPOINT, "x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid", "x = x.add_((sigma_next - sigma) * (x_mid - x0) / sigma_mid)", "it writes to the start"),
    ("sampler", MIDPOINT, "x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid", "x = (x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid).clamp(-20, 20)", "it clips, and so leaves the space"),
    ("sampler", MIDPOINT, "x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid", "x = x + 1.1 * (sigma_next - sigma) * (x_mid - x0) / sigma_mid", "a coefficient is 10 % too large"),
    ("sampler", MIDPOINT, "x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid", "x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid + 1e-3 * x.std() * (sigma_next > 0)", "examples see each other"),
    ("sampler heun", HEUN, "if sigma_next > 0:\n            # d", "if False:\n            # d", "the correction is never made"),
    ("sampler heun", HEUN, "math.sqrt(sigma_hat**2 - sigma**2)", "(sigma_hat - sigma)", "churn adds too little noise"),
    ("sampler heun", HEUN, "noise(sigma, sigma_next), alpha", "noise(sigma_hat, sigma), alpha", "noise is asked for another interval"),
    ("sampler dpmpp", DPMPP, "x0_past, h_past = x0, h", "x0_past, h_past = None, h", "the past is forgotten"),
    ("sampler dpmpp", DPMPP, "if x0_past is None or sigma_next == 0", "if x0_past is None", "the step to 0 extrapolates"),
    ("sampler ddim", DDIM, "alpha=sigma_up * s_noise", "alpha=0.5 * sigma_up * s_noise", "half of the noise is missing"),
    ("sampler ddim", DDIM, "return x.add_(noise(sigma, sigma_next), alpha=sigma_up * s_noise) if sigma_up > 0 else x", "return x.add_(__import__('torch').randn_like(x), alpha=sigma_up * s_noise) if sigma_up > 0 else x", "it draws its own noise"),
    # --- process
    ("process", ROW, "in_=1 / total", "in_=2**-0.5 / total", "the network's input has half of the variance"),
    ("process", ROW, "in_=1 / total", "in_=total / total", "the network's input is as large as the noise"),
    ("process", ROW, "skip=(sd / total).square()", "skip=(sd / total)", "the target is not of unit variance"),
    ("process", ROW, "out=sigma * sd / total", "out=sigma * sd / total.square()", "the output is of the wrong size"),
    ("process", ROW, "noise=sigma.log() / 4", "noise=sigma", "the noise signal is not of order one"),
    ("process", ROW, "noise=sigma.log() / 4", "noise=-sigma.log() / 4", "the noise signal falls"),
    ("process", ROW, "noise=sigma.log() / 4", "noise=sigma.double().log() / 4", "the noise signal is float64"),
    ("process", DENSITY, "return self._within(u).clamp(low, high).float()", "return self._within(u).float()", "levels outside the schedule are drawn"),
    ("process", DENSITY, "return self._within(u).clamp(low, high).float()", "return self._within(u).clamp(low, high).double()", "levels are float64"),
    ("process", DENSITY, "u = rng.uniform((n,))", "u = torch.rand(n)", "levels are drawn from torch's generator"),
    ("process", WEIGHTING, "return sigma.square().reciprocal() + self.sigma_data**-2", "return sigma.reciprocal() + self.sigma_data**-2", "the weight is of the wrong power"),
    ("process", WEIGHTING, "return sigma.square().reciprocal() + self.sigma_data**-2", "return 100 * (sigma.square().reciprocal() + self.sigma_data**-2)", "the loss is 100 times too large"),
    ("process", SCHEDULE, "return w**self.rho", "return w ** (self.rho + 0.1)", "time is not the inverse of sigma"),
    ("process", SCHEDULE, "return [*self.sigma(t).tolist(), 0.0]", "return self.sigma(t).tolist()", "the last level is not 0"),
    ("process", SCHEDULE, "return [*self.sigma(t).tolist(), 0.0]", "return [*self.sigma(t).tolist()[::-1], 0.0]", "levels rise"),
]  # fmt: skip
