import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../../engine/errors.ts';
import { type ImportOptions, importTrace } from '../../../../plans/traces/import-trace.ts';

async function imported(lines: readonly string[], options: ImportOptions = {}): Promise<number[]> {
  return [...(await importTrace(lines, 'log.csv', options)).qps];
}

async function refused(lines: readonly string[], options: ImportOptions = {}): Promise<string> {
  const error = await importTrace(lines, 'log.csv', options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

const MINUTES = Array.from({ length: 1_440 }, (_, i) => String(i + 1));
const DAY_HEADER = ['HashOwner', 'HashApp', 'HashFunction', 'Trigger', ...MINUTES].join(',');
const day = (func: string, trigger: string, counts: readonly number[]): string =>
  ['o', 'a', func, trigger, ...MINUTES.map((_, i) => counts[i] ?? 0)].join(',');

describe('Azure LLM inference traces', () => {
  const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';

  test('are counted per second from the first request, whatever their order', async () => {
    const lines = [
      HEADER,
      '2023-11-16 18:17:05.9799601,4808,10',
      '2023-11-16 18:17:03.9799600,3180,8',
      '2023-11-16 18:17:04.9799000,110,27',
      '2023-11-16 18:17:04.9799600,7,1',
      '',
    ];
    expect(await imported(lines)).toEqual([2, 1, 1]);
    expect(await imported([`\uFEFF${HEADER}`, '2024-05-10 00:00:00.009930+00:00,2162,5'], { format: 'azure-llm' })).toEqual([1]);
  });

  test('can be counted by another column', async () => {
    const lines = [`${HEADER},arrived`, '100,1,1,5000', '200,1,1,6000'];
    expect(await imported(lines, { column: 'arrived', unit: 'ms' })).toEqual([1, 1]);
    expect(await imported(lines, { column: 'TIMESTAMP' })).toHaveLength(101);
  });

  test('report the file, line, field and value of each mistake', async () => {
    expect(await refused([HEADER, '2023-11-16 18:17:03.9,1,2', '2023-11-31 18:17:03.9,1,2'])).toBe(
      'log.csv:3: TIMESTAMP "2023-11-31 18:17:03.9" is not a time stamp such as 2023-11-16 18:17:03.98 or 1700158623.98',
    );
    expect(await refused([HEADER, '2023-11-16 18:17:03.9,1'])).toBe(
      'log.csv:2: 2 fields ("2023-11-16 18:17:03.9,1"), but the first row has 3',
    );
    expect(await refused(['when,ContextTokens,GeneratedTokens'], { format: 'azure-llm' })).toContain(
      'log.csv:1: the header is "when,ContextTokens,GeneratedTokens"; Azure LLM inference traces begin with TIMESTAMP,',
    );
  });
});

describe('Azure Functions traces', () => {
  test('of 2019: the requests of a minute are spread over its seconds, and functions are added up', async () => {
    const lines = [DAY_HEADER, day('f', 'http', [60, 30]), day('g', 'timer', [0, 90])];
    const qps = await imported(lines);
    expect(qps).toHaveLength(86_400);
    expect(qps.slice(58, 62)).toEqual([1, 1, 2, 2]);
    expect(qps.slice(120).every((rate) => rate === 0)).toBe(true);
    const http = await imported(lines, { only: [{ column: 'Trigger', value: 'http' }] });
    expect(http.slice(58, 62)).toEqual([1, 1, 0.5, 0.5]);
  });

  test('of 2021: an invocation arrived at its end time minus its duration', async () => {
    const lines = ['app,func,end_timestamp,duration', 'x,f,100.5,0.25', 'x,g,103.2,3', 'y,f,102.25,0.5'];
    // At 100.25, 100.2 and 101.75.
    expect(await imported(lines, { format: 'azure-functions' })).toEqual([2, 1]);
    const only = [
      { column: 'app', value: 'x' },
      { column: 'func', value: 'g' },
    ];
    expect(await imported(lines, { only })).toEqual([1]);
    expect(await imported(lines.map((line) => line.replaceAll(',', '\t')))).toEqual([2, 1]);
  });

  test('of 2021: times and durations have the same unit', async () => {
    const lines = ['app,func,end_timestamp,duration', 'x,f,100500,250', 'x,g,103200,3000', 'y,f,102250,500'];
    expect(await imported(lines, { unit: 'ms' })).toEqual([2, 1]);
  });

  test('refuse options that would have no effect', async () => {
    const day2019 = [DAY_HEADER, day('f', 'http', [1])];
    expect(await refused(day2019, { unit: 'ms' })).toBe(
      '--unit ms: log.csv counts requests per minute, without time stamps; leave it out',
    );
    expect(await refused(day2019, { column: '7' })).toContain('--column 7: log.csv counts requests per minute');
    expect(await refused(['app,func,end_timestamp,duration', 'x,f,9,1'], { column: 'end_timestamp' })).toContain(
      '--column end_timestamp: log.csv is counted by end_timestamp - duration; leave it out',
    );
  });

  test('report the file, line, field and value of each mistake', async () => {
    expect(await refused([DAY_HEADER, day('f', 'http', [1, 2.5])])).toBe(
      'log.csv:2: minute 2: "2.5" is not a number of requests',
    );
    expect(await refused([DAY_HEADER, day('f', 'http', [-1])])).toBe('log.csv:2: minute 1: "-1" is not a number of requests');
    const invocations = (row: string) => refused(['app,func,end_timestamp,duration', row]);
    expect(await invocations('x,f,soon,1')).toBe('log.csv:2: end_timestamp "soon" is not a number of seconds');
    expect(await invocations('x,f,9,-1')).toBe('log.csv:2: duration "-1" is not a number of seconds of 0 or more');
    expect(await invocations('x,f,1700158623980,1')).toContain(
      'log.csv:2: end_timestamp "1700158623980" is beyond the year 5138 in seconds; it looks like milliseconds: write --unit ms',
    );
    expect(await refused(['HashOwner,HashApp,HashFunction,Trigger', 'o,a,f,http'])).toBe(
      'log.csv:1: the header is "HashOwner,HashApp,HashFunction,Trigger"; a column for each minute, 1 to 1440, must follow',
    );
    expect(await refused(['a,b'], { format: 'azure-functions' })).toContain('(2019) or app,func,end_timestamp,duration (2021)');
    const only = [{ column: 'Trigger', value: 'htttp' }];
    expect(await refused([DAY_HEADER, day('f', 'http', [1])], { only })).toBe('log.csv: none of 1 rows has Trigger=htttp');
  });
});

describe('time stamps', () => {
  test('can stand alone, with or without a header', async () => {
    expect(await imported(['10.5', '10', '12.49'])).toEqual([2, 0, 1]);
    expect(await imported(['ts', '1000', '1999', '3000'], { unit: 'ms' })).toEqual([2, 0, 1]);
  });

  test('can be a column of a log', async () => {
    const log = ['path;time', '/v2;2024-05-10T00:00:00Z', '"/a;b";2024-05-10T00:00:01Z'];
    expect(await imported(log, { column: 'time' })).toEqual([1, 1]);
    expect(await imported(['7,100', '8,100.2'], { column: '2' })).toEqual([2]);
  });

  test('report what is wrong', async () => {
    expect(await refused(['10', '10.5', 'later'])).toContain('log.csv:3: 1 "later" is not a time stamp');
    expect(await refused(['path,time', '/,1'])).toBe(
      'log.csv:1: several columns (path, time); name the one with the time stamps: --column NAME',
    );
    expect(await refused(['path,time', '/,1'], { column: 'when' })).toBe(
      '--column when: log.csv has no such column; it has path, time',
    );
    expect(await refused(['time', '1'], { only: [{ column: 'who', value: 'x' }] })).toContain(
      '--only who: log.csv has no such column',
    );
    expect(await refused(['5', '1700158623'])).toContain('log.csv:2: 19677 days after line 1; a trace has at most 31 days');
    expect(await refused(['time', '1700158623980'])).toBe(
      'log.csv:2: time "1700158623980" is beyond the year 5138 in seconds; it looks like milliseconds: write --unit ms',
    );
    expect(await refused(['1700158623980000000'], { unit: 'ms' })).toContain(
      'in milliseconds; it looks like nanoseconds: write --unit ns',
    );
    expect(await imported(['1700158623980'], { unit: 'ms' })).toEqual([1]);
    expect(await refused(['second,qps', '0,1'])).toBe('log.csv: is already a trace; use it directly');
    expect(await refused(['time,x', '"1,2'], { column: 'time' })).toContain('log.csv:2: "\\"1,2":');
    for (const nothing of [[], ['ts'], ['', ' ']])
      expect(await refused(nothing)).toContain('log.csv: no requests; expected one line per request');
  });
});
