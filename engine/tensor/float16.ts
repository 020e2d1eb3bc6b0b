/** IEEE 754 half precision, which JavaScript lacks: values are represented by their 16 bits. */

const INFINITY_BITS = 0x7c00;
const NAN_BITS = 0x7e00;
const SIGN = 0x8000;
const LEAST_EXPONENT = -14;
const MANTISSA_BITS = 10;

/** The nearest half-precision number, ties to even; infinity beyond 65504. */
export function toFloat16(value: number): number {
  if (Number.isNaN(value)) return NAN_BITS;
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (size >= 2 ** 16) return sign | INFINITY_BITS;
  const exponent = Math.max(LEAST_EXPONENT, Math.floor(Math.log2(size)));
  const steps = roundToEven(size / 2 ** (exponent - MANTISSA_BITS));
  // The implicit leading 1 of the mantissa, and a carry from rounding, increment the exponent.
  return sign | (((exponent - LEAST_EXPONENT) << MANTISSA_BITS) + steps);
}

export function fromFloat16(bits: number): number {
  const sign = (bits & SIGN) === 0 ? 1 : -1;
  const exponent = (bits & INFINITY_BITS) >> MANTISSA_BITS;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (LEAST_EXPONENT - MANTISSA_BITS);
  return sign * (1024 + mantissa) * 2 ** (exponent - 1 + LEAST_EXPONENT - MANTISSA_BITS);
}

export function fromFloat16Array(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(bits, fromFloat16);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
