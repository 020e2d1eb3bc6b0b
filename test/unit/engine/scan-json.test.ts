import { expect, test } from 'vitest';
import { scanJson } from '../../../engine/scan-json.ts';
import { bytes } from '../../support/bytes.ts';

const limits = { depth: 3, items: 4, strings: 3, fields: 4, advice: 'send bytes' };

test.each([
  ['[[[1]]]', '[[[[1]]]]', /^body is nested deeper than 3 levels$/],
  ['[1,2,3,4]', '[1,2,3,4,5]', /^body has more than 4 elements; send bytes$/],
  ['["a","b\\"","c,d,e,f,g"]', '["a","b","c","d"]', /^body has more than 3 strings; send bytes$/],
  ['[{"a":1,"b":{}}]', '[{},{"a":1,"b":{}}]', /^body has more than 4 objects and fields; send bytes$/],
  ['[{},{},{},{}]', '[{},{},{},{"a":1}]', /^body has more than 4 objects and fields/],
])('accepts %s, but not %s', (fits, tooMuch, message) => {
  expect(() => scanJson(bytes(fits), limits)).not.toThrow();
  expect(() => scanJson(bytes(tooMuch), limits)).toThrow(message);
});

test('without a limit, strings and objects count as elements only', () => {
  expect(() => scanJson(bytes('[{"a":"b"},{"a":"b"},{"a":"b"}]'), { depth: 3, items: 4 })).not.toThrow();
});
