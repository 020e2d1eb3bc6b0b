/** The oldest nats-server that we test with (in Debian 12). */
const LEAST_SERVER_VERSION = '2.9.10';

/** Warning for the operator of this server; undefined when it is new enough, or does not report its version. */
export function versionWarning(version: string | undefined, servers: string): string | undefined {
  if (version === undefined || !isOlder(version, LEAST_SERVER_VERSION)) return undefined;
  return `the NATS server (${servers}) has version ${version}; use ${LEAST_SERVER_VERSION} or newer: older ones are not tested`;
}

/** Compares the numbers only: `2.9.9-beta.1` counts as 2.9.9. */
function isOlder(version: string, than: string): boolean {
  const [numbers, least] = [version, than].map((text) => text.split(/[-+]/)[0].split('.').map(Number));
  const differs = least.findIndex((number, i) => numbers[i] !== number);
  return differs !== -1 && (numbers[differs] ?? 0) < least[differs];
}
