import { execFileSync } from 'node:child_process';

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });

/** Why no network namespace can be made here; undefined if one can. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  const name = `cascade-${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    ip('link', 'add', 'cascade-try', 'type', 'veth', 'peer', 'name', 'cascade-try1');
    ip('link', 'del', 'cascade-try');
    return undefined;
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? error).trim();
  }
}

/** A separate host: a network namespace, connected to us by a link that can be cut. */
export interface FarHost {
  /** Our address, as seen from the other host. */
  readonly ourAddress: string;
  /** Prefix of a command that runs on the other host. */
  readonly prefix: readonly string[];
  cut(): void;
  restore(): void;
  remove(): void;
}

/** @param number unique per host, from 0 to 63. */
export function makeFarHost(number: number): FarHost {
  const name = `cascade-${process.pid}-${number}`;
  // Linux allows at most 15 characters.
  const [near, far] = [`cs${process.pid}n${number}`, `cs${process.pid}f${number}`];
  // 198.18.0.0/15 is reserved for network tests (RFC 2544).
  const network = `198.18.${process.pid % 256}`;
  const [ourAddress, theirAddress] = [`${network}.${4 * number + 1}`, `${network}.${4 * number + 2}`];
  ip('netns', 'add', name);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
  ip('addr', 'add', `${ourAddress}/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', name, 'addr', 'add', `${theirAddress}/30`, 'dev', far);
  ip('-n', name, 'link', 'set', far, 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  return {
    ourAddress,
    prefix: ['ip', 'netns', 'exec', name],
    cut: () => ip('link', 'set', near, 'down'),
    restore: () => ip('link', 'set', near, 'up'),
    remove: () => {
      ip('link', 'del', near);
      ip('netns', 'del', name);
    },
  };
}
