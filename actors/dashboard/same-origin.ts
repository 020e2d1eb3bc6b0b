import { isIP } from 'node:net';

/**
 * Whether a request comes from our page, and not from another site that the operator's browser has open: only our page may request
 * actions. The host must be an address, or a name given to us, because another site may point its own name here.
 * @param names our host names.
 */
export function isSameOrigin(origin: string | undefined, host: string | undefined, names: readonly string[]): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin) || !URL.canParse(`http://${host}`)) return false;
  if (new URL(origin).host !== host) return false;
  const name = new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '');
  return isIP(name) !== 0 || name === 'localhost' || names.includes(name);
}
