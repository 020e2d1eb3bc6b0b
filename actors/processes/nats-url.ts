import { Option } from 'commander';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';

/** Passes the servers to child processes. Arguments, with a password in a URL, would be visible to all users. */
const NATS_URL = 'CASCADE_NATS';

/** The NATS option of all commands that connect. */
export function natsOption(standard = 'NATS servers, comma-separated (default: those of the deployment)'): Option {
  return new Option('--nats <url>', standard).env(NATS_URL);
}

/** The environment for a process that should connect to the same servers. */
export function natsEnvironment(servers: string | undefined): Readonly<Record<string, string>> {
  return servers === undefined ? {} : { [NATS_URL]: servers };
}

/** The servers to connect to: from the command line, else from the deployment. */
export function serversOf(deployment: Deployment, given: string | undefined): readonly string[] {
  return given === undefined ? deployment.nats.servers : given.split(',').map((url) => url.trim());
}
