/** Units of numeric time stamps, in seconds. */
export const STAMP_UNITS = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 } as const;
export type StampUnit = keyof typeof STAMP_UNITS;

export const UNIT_NAMES: Readonly<Record<StampUnit, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
};

/** The year 5138; milliseconds that are taken for seconds are above it from 1973 on. */
const LATEST_SECONDS = 1e11;

const DATE = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(?: ?(Z|[+-]\d\d:?\d\d))?$/;

/**
 * Seconds since 1970 of a date such as `2023-11-16 18:17:03.9799600`, UTC unless it names its zone; a number is converted from `unit`.
 * Undefined for anything else, including dates that do not exist.
 */
export function parseTimeStamp(text: string, unit: StampUnit): number | undefined {
  const trimmed = text.trim();
  const number = Number(trimmed);
  if (trimmed !== '' && Number.isFinite(number)) return number * STAMP_UNITS[unit];
  const match = DATE.exec(trimmed);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((field) => Number(field ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // Dates that do not exist carry over: February 30 becomes March 1 or 2.
  const date = new Date(ms);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists) return undefined;
  return ms / 1_000 + Number(match[7] ?? 0) - zoneSeconds(match[8]);
}

function zoneSeconds(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  return (zone.startsWith('-') ? -1 : 1) * (3_600 * hours + 60 * minutes);
}

/** Why a number cannot be a time in this unit, and which unit would do; undefined if it can. */
export function wrongUnit(text: string, unit: StampUnit): string | undefined {
  const number = Math.abs(Number(text));
  const fits = (tried: StampUnit): boolean => number * STAMP_UNITS[tried] <= LATEST_SECONDS;
  if (Number.isNaN(number) || fits(unit)) return undefined;
  const likely = (Object.keys(STAMP_UNITS) as StampUnit[]).find(fits);
  return likely === undefined
    ? 'is beyond the year 5138 in every unit'
    : `is beyond the year 5138 in ${UNIT_NAMES[unit]}; it looks like ${UNIT_NAMES[likely]}: write --unit ${likely}`;
}
