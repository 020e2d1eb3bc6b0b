import { expect, test } from 'vitest';
import { subjectOf } from '../../../../engine/actor/channel.ts';
import { CHANNELS } from '../../../../plans/protocol/channels.ts';
import { servingSubjects } from '../../../../plans/protocol/serving-subjects.ts';

const { publish, subscribe } = servingSubjects('r', { device: 'd', model: 'm', frontend: 'f' });

test('the owner of a subject subscribes to its own, for all models; others subscribe to everyone’s', () => {
  expect(subscribe).toEqual(expect.arrayContaining(['r.work.d.*', 'r.done.f', 'r.cancel.d', 'r.state.*', 'r.load.*', 'r.infer']));
});

test('every published subject is a concrete subject', () => {
  expect(publish).toEqual(expect.arrayContaining(['r.work.d.m', 'r.done.f', 'r.state.d', 'r.load.f', 'r.results.f']));
  expect(publish.filter((subject) => subject.includes('*'))).toEqual([]);
});

test('subjects of clients, operators and JetStream are left out', () => {
  expect(subscribe).not.toContain('r.results');
  for (const subject of ['r.infer', 'r.control.plan', 'r.dead', 'r.durable']) expect(publish).not.toContain(subject);
  expect(subscribe).not.toContain('r.durable');
});

test('no channel between the serving processes is left out', () => {
  const serving = ['frontend', 'device', 'controller'];
  for (const { pattern, from, to } of Object.values(CHANNELS)) {
    const within = [from, to].every((roles) => roles.some((role) => serving.includes(role)));
    if (!within) continue;
    expect(publish).toContain(subjectOf('r', pattern, { device: 'd', model: 'm', frontend: 'f' }));
    expect(subscribe.some((subject) => subject.startsWith(`r.${pattern.split('.<')[0]}`))).toBe(true);
  }
});
