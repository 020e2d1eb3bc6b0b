/** Maps values of a quantity to pixels along an axis. */
export interface Scale {
  readonly domain: readonly [from: number, to: number];
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Even scale whose ends are round numbers, so that all values lie within. */
export function linearScale(from: number, to: number, pixels: readonly [from: number, to: number], ticks = 6): Scale {
  const step = roundStep((to - from || Math.abs(to) || 1) / ticks);
  const low = Math.floor(from / step + 1e-9) * step;
  const high = Math.max(low + step, Math.ceil(to / step - 1e-9) * step);
  const count = Math.round((high - low) / step);
  return {
    domain: [low, high],
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(12))),
    at: (value) => pixels[0] + ((value - low) / (high - low)) * (pixels[1] - pixels[0]),
  };
}

/** Even scale with ends as given: for axes that must line up with something else. */
export function exactScale(from: number, to: number, pixels: readonly [from: number, to: number], ticks = 8): Scale {
  const { ticks: round } = linearScale(from, to, pixels, ticks);
  return {
    domain: [from, to],
    ticks: round.filter((tick) => tick >= from && tick <= to),
    at: (value) => pixels[0] + ((value - from) / (to - from)) * (pixels[1] - pixels[0]),
  };
}

/** For quantities that span orders of magnitude: equal factors, equal distances. Ticks at 1, 2 and 5. */
export function logScale(from: number, to: number, pixels: readonly [from: number, to: number]): Scale {
  const [low, high] = [from / 1.15, to * 1.15];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const digit of [1, 2, 5]) {
      const tick = Number((digit * 10 ** power).toPrecision(6));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  const span = Math.log(high / low);
  return {
    domain: [low, high],
    ticks,
    at: (value) => pixels[0] + (Math.log(value / low) / span) * (pixels[1] - pixels[0]),
  };
}

/** 1, 2, 2.5 or 5 times a power of ten. */
function roundStep(wanted: number): number {
  const power = 10 ** Math.floor(Math.log10(wanted));
  const digit = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= wanted * (1 - 1e-9)) ?? 10;
  return digit * power;
}
