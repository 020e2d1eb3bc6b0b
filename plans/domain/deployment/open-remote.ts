import { readFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../../../engine/errors.ts';
import type { OipClient } from '../../../engine/oip/oip-client.ts';
import { openOipClient } from '../../../engine/oip/open-client.ts';
import type { RemoteDevice } from './deployment.ts';

/** A client of the server behind a device. @throws ConfigError when a file for TLS cannot be read. */
export function openRemote({ id, url, timeoutMs, headers, tls }: Omit<RemoteDevice, 'kind'>): OipClient {
  const pem = (field: keyof typeof tls): Buffer | undefined => {
    const file = tls[field];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file);
    } catch (error) {
      throw new ConfigError(`device ${id}: tls.${field}: ${messageOf(error)}`);
    }
  };
  const [ca, cert, key] = [pem('ca'), pem('cert'), pem('key')];
  try {
    return openOipClient({ url, timeoutMs, headers, tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } });
  } catch (error) {
    throw new ConfigError(`device ${id}: tls: ${messageOf(error)}; ca, cert and key are PEM files`);
  }
}
