/** Quantities as people write them, converted once to the units of the code: milliseconds and bytes. */

const MS_PER = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

const BYTES_PER = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/** `100ms`, `0.1s`, or a number of milliseconds; undefined for anything else. */
export function parseDurationMs(value: number | string): number | undefined {
  return parseQuantity(value, MS_PER);
}

/** `1GiB`, `512MiB`, `2GB`, or a number of bytes; undefined for anything else. */
export function parseBytes(value: number | string): number | undefined {
  const bytes = parseQuantity(value, BYTES_PER);
  return bytes === undefined ? undefined : Math.round(bytes);
}

/** `1.5 GiB`, for people. */
export function formatBytes(bytes: number): string {
  const unit = (['TiB', 'GiB', 'MiB', 'KiB'] as const).find((name) => bytes >= BYTES_PER[name]) ?? 'B';
  return `${Number((bytes / BYTES_PER[unit]).toPrecision(3))} ${unit}`;
}

function parseQuantity(value: number | string, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)$/.exec(value.trim());
  if (match === null) return undefined;
  const factor = match[2] === '' ? 1 : Object.entries(units).find(([unit]) => unit.toLowerCase() === match[2].toLowerCase())?.[1];
  return factor === undefined ? undefined : Number(match[1]) * factor;
}
