import { expect, test } from 'vitest';
import { refuseUnsupported } from '../../../../actors/gateway/parameters.ts';

test('parameters of stateful models and shared memory are refused only if they are used', () => {
  refuseUnsupported({ sequence_id: 0, sequence_start: false, sequence_end: false, shared_memory_region: '' }, 'parameters');
  for (const used of [{ sequence_id: 7 }, { sequence_id: 'a' }, { sequence_start: true }, { shared_memory_region: 'r' }])
    expect(() => refuseUnsupported(used, 'parameters')).toThrow(
      `parameters.${Object.keys(used)[0]} is not supported by this server`,
    );
});
