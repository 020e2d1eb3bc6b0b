import { OIP_SCHEMES } from '../../../engine/oip/oip-client.ts';
import { shown } from './shown.ts';

/** What is wrong with the address of a server; undefined: nothing. */
export function remoteUrlProblem(text: string): string | undefined {
  const example = 'write a URL such as http://triton:8000 or grpc://triton:8001';
  if (!URL.canParse(text)) return `${shown(text)} is not a URL; ${example}`;
  const { protocol, host, hostname, port, pathname, username, search } = new URL(text);
  if (!OIP_SCHEMES.includes(protocol)) return `${shown(text)} is neither http, https, grpc nor grpcs; ${example}`;
  if (host === '' || hostname === '') return `${shown(text)} names no host; ${example}`;
  if (username !== '') return 'holds a user name; give credentials in `headers`';
  const isGrpc = protocol.startsWith('grpc');
  if (isGrpc && port === '') return `${shown(text)} has no port; ${example}`;
  if (isGrpc && pathname !== '' && pathname !== '/') return `${shown(text)} has a path, which gRPC does not allow; ${example}`;
  if (search !== '' || /\/v2\/?$/.test(pathname))
    return `${shown(text)} is more than the address of a server; leave out what begins with ${search === '' ? '/v2' : '?'}`;
  return undefined;
}
