import { isIP } from 'node:net';

/**
 * Whether a request comes from the page that we served, and not from another site that the operator's browser has open: orders are
 * accepted from there only. The host must be an address, or a name that was given to us: another site may have its own name lead here.
 * @param names host names that are ours.
 */
export function isSameOrigin(origin: string | undefined, host: string | undefined, names: readonly string[]): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin) || !URL.canParse(`http://${host}`)) return false;
  if (new URL(origin).host !== host) return false;
  const name = new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '');
  return isIP(name) !== 0 || name === 'localhost' || names.includes(name);
}
