import { expect, test } from 'vitest';
import { httpAddress, shownAddress } from '../../../../actors/http/address.ts';

test('a bare port is on the loopback interface; names and addresses are as written', () => {
  expect(httpAddress('9464')).toEqual({ host: '127.0.0.1', port: 9464 });
  expect(httpAddress('0.0.0.0:80')).toEqual({ host: '0.0.0.0', port: 80 });
  expect(httpAddress('host-1.example:0')).toEqual({ host: 'host-1.example', port: 0 });
  expect(httpAddress('[::1]:9464')).toEqual({ host: '::1', port: 9464 });
  expect(shownAddress(httpAddress('[::1]:9464'))).toBe('[::1]:9464');
});

test.each(['', ':', 'x', '70000', '1:2:3', 'host:', '::1:80', 'http://host:80', '-1', '8o80'])('%s is refused', (text) => {
  expect(() => httpAddress(text)).toThrow('use PORT, HOST:PORT or [IPV6]:PORT');
});
