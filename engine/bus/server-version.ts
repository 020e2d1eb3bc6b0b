/** The oldest nats-server that the tests run with (Debian 12 has it). */
const LEAST_SERVER_VERSION = '2.9.10';

/** What to tell whoever runs this server; undefined for one that is new enough, or does not say. */
export function versionWarning(version: string | undefined, servers: string): string | undefined {
  if (version === undefined || !isOlder(version, LEAST_SERVER_VERSION)) return undefined;
  return `the NATS server (${servers}) is version ${version}; use ${LEAST_SERVER_VERSION} or newer: nothing older is tested`;
}

/** By the numbers: `2.9.9-beta.1` counts as 2.9.9. */
function isOlder(version: string, than: string): boolean {
  const [numbers, least] = [version, than].map((text) => text.split(/[-+]/)[0].split('.').map(Number));
  const differs = least.findIndex((number, i) => numbers[i] !== number);
  return differs !== -1 && (numbers[differs] ?? 0) < least[differs];
}
