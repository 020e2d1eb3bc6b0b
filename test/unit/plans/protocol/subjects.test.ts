import { describe, expect, it } from 'vitest';
import { SUBJECT_TOKEN } from '../../../../engine/actor/subject.ts';
import { answerSubject, bucketsOf, durableStreamsOf, subjectsOf } from '../../../../plans/protocol/subjects.ts';

const subjects = subjectsOf('fashion');

it('puts every subject of a deployment under its root', () => {
  const named = [
    subjects.namedResults('n'),
    subjects.work('d', 'm'),
    subjects.deviceWork('d'),
    subjects.audit('d'),
    subjects.done('f'),
    subjects.load('f'),
    subjects.state('d'),
  ];
  const fixed = Object.values(subjects).filter((value) => typeof value === 'string');
  for (const subject of [...named, ...fixed.filter((value) => value !== subjects.root)]) {
    expect(subject.startsWith('cascade.fashion.')).toBe(true);
  }
  expect(subjectsOf('fashion', 'staging').infer).toBe('staging.fashion.infer');
});

it('gives no two deployments a stream or bucket in common', () => {
  const names = ['x', 'x_y', 'y', 'x_lease', 'x_durable', 'x_dead', 'x-y', 'x_y_lease', '_x', 'x_'];
  const prefixes = ['cascade', 'cascade_x', 'cascade_', 'a', 'a_x'];
  const all = prefixes.flatMap((prefix) =>
    names.flatMap((name) => [...Object.values(bucketsOf(name, prefix)), ...Object.values(durableStreamsOf(name, prefix))]),
  );
  expect(new Set(all).size).toBe(all.length);
  for (const name of all) expect(name).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(bucketsOf('fashion')).toEqual({ plans: 'cascade_fashion', lease: 'cascade_fashion_lease' });
});

it('accepts a name that is one subject token', () => {
  for (const name of ['a', 'cpu-0', 'BERT_base', 'x'.repeat(64)]) expect(SUBJECT_TOKEN.test(name)).toBe(true);
  for (const name of ['', 'a.b', 'a b', '*', '>', 'a\n', 'é', 'x'.repeat(65)]) expect(SUBJECT_TOKEN.test(name)).toBe(false);
});

describe('where an answer goes', () => {
  it('is the reply subject, or else the results subject, or else the named one', () => {
    expect(answerSubject(subjects, '_INBOX.a.b', undefined)).toBe('_INBOX.a.b');
    expect(answerSubject(subjects, '_INBOX.a.b', 'billing')).toBe('_INBOX.a.b');
    expect(answerSubject(subjects, '', undefined)).toBe('cascade.fashion.results');
    expect(answerSubject(subjects, '', '')).toBe('cascade.fashion.results');
    expect(answerSubject(subjects, '', 'billing')).toBe('cascade.fashion.results.billing');
    expect(answerSubject(subjects, 'cascade.fashion.results.billing', undefined)).toBe('cascade.fashion.results.billing');
    expect(answerSubject(subjects, 'cascaded.fashion', undefined)).toBe('cascaded.fashion');
  });

  it.each([
    ['one of ours', 'cascade.fashion.control.plan', undefined],
    ['our root', 'cascade.fashion', undefined],
    ['another deployment`s', 'cascade.fashionable.control.plan', undefined],
    ['the prefix itself', 'cascade', undefined],
    ['what only begins like results', 'cascade.fashion.resultsX', undefined],
    ['the server`s', '$SYS.REQ.SERVER.PING', undefined],
    ['JetStream`s', '$JS.API.STREAM.DELETE.x', undefined],
    ['a wildcard', 'a.*', undefined],
    ['a tail wildcard', 'a.>', undefined],
    ['an empty token', 'a..b', undefined],
    ['white space', 'a b', undefined],
    ['endless', 'a'.repeat(513), undefined],
    ['a name with a dot', '', 'a.b'],
    ['a name with a wildcard', '', '>'],
  ])('is refused when it is %s', (_what, reply, name) => {
    expect(() => answerSubject(subjects, reply, name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
