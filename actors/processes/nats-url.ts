import { Option } from 'commander';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';

/** Names the servers to the processes that a command starts: arguments, with a password in a URL, are seen by all users. */
const NATS_URL = 'CASCADE_NATS';

/** The option of all commands that connect. */
export function natsOption(standard = 'NATS servers, comma-separated (default: those of the deployment)'): Option {
  return new Option('--nats <url>', standard).env(NATS_URL);
}

/** The environment of a process that is to connect where this one does. */
export function natsEnvironment(servers: string | undefined): Readonly<Record<string, string>> {
  return servers === undefined ? {} : { [NATS_URL]: servers };
}

/** The servers to connect to: the command line's, else the deployment's. */
export function serversOf(deployment: Deployment, given: string | undefined): readonly string[] {
  return given === undefined ? deployment.nats.servers : given.split(',').map((url) => url.trim());
}
