import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startNatsServer } from '../../../../engine/bus/nats-server.ts';
import { allGears, type GearPlan, type Stage } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { runCommand, startCommand } from '../../../support/cascade.ts';
import { oneGearPlan } from '../../live-plan.ts';
import type { Endpoint } from './generate.ts';
import { type Memory, memoryOf } from './memory.ts';

/** A running server. */
export interface Running {
  readonly endpoint: Endpoint;
  memory(): Memory;
  stop(): Promise<void>;
}

/** A way to serve that a bench compares. */
export interface Contender {
  readonly name: string;
  /** Expected accuracy of its answers, weighted by the gears that gave them; null if there is no promise. */
  expectedAccuracy(answersByGear: Readonly<Record<string, { answered: number }>>): number | null;
  start(): Promise<Running>;
}

/** A checkout of this project, with the profile and plan it made on this machine. */
export interface Tree {
  readonly name: string;
  readonly folder: string;
  readonly profile: string;
  readonly plan: string;
}

/**
 * Builds a checkout like a released package, because compiling the sources at start takes memory too. Then profiles the fashion
 * example with its own command into the given folder; reuses an existing profile.
 */
export async function profileTree(name: string, folder: string, into: string): Promise<Tree> {
  const tree = { name, folder, profile: join(into, `${name}-profile.json`), plan: join(into, `${name}-plan.json`) };
  await runCommand('npm', ['run', 'build', '--prefix', folder]);
  if (!existsSync(tree.profile)) await runCommand(process.execPath, cascadeArgs(tree, 'profile', '--out', tree.profile));
  return tree;
}

/** Does the same and also plans; reuses an existing plan. */
export async function prepareTree(name: string, folder: string, into: string, qpsMax: string | undefined): Promise<Tree> {
  const tree = await profileTree(name, folder, into);
  const more = qpsMax === undefined ? [] : ['--qps-max', qpsMax];
  if (!existsSync(tree.plan))
    await runCommand(process.execPath, cascadeArgs(tree, 'plan', '--profile', tree.profile, '--out', tree.plan, ...more));
  return tree;
}

/** Arguments of node that run a checkout's command on the fashion example. */
export function cascadeArgs({ folder }: Tree, command: string, ...args: string[]): string[] {
  return [join(folder, 'dist/actors/main.js'), command, join(folder, 'conf/fashion'), ...args];
}

function readTreePlan({ plan }: Tree): Pick<GearPlan, 'gears' | 'weights' | 'devices'> {
  return JSON.parse(readFileSync(plan, 'utf8')) as GearPlan;
}

/** A checkout that serves a plan with its own nats-server, so that nothing from another run is in its store. */
export function served(name: string, tree: Tree, planFile = tree.plan): Contender {
  const gears = allGears(JSON.parse(readFileSync(planFile, 'utf8')) as GearPlan);
  return {
    name,
    expectedAccuracy: (answersByGear) => {
      const entries = Object.entries(answersByGear);
      const all = entries.reduce((sum, [, { answered }]) => sum + answered, 0);
      const sum = entries.reduce((total, [gear, { answered }]) => total + answered * gears[Number(gear)]?.expected.accuracy, 0);
      return Number.isFinite(sum / all) ? sum / all : null;
    },
    async start() {
      const server = await startNatsServer({ jetstream: true });
      const args = cascadeArgs(tree, 'serve', '--profile', tree.profile, '--plan', planFile, '--nats', server.url);
      const serving = startCommand(process.execPath, args);
      const stop = async (): Promise<void> => {
        await serving.stop();
        await server.stop();
      };
      try {
        await serving.firstLine;
      } catch (error) {
        await stop();
        throw error;
      }
      return {
        endpoint: { url: server.url, subject: 'cascade.fashion.infer' },
        memory: () => memoryOf([serving.process.pid!, server.pid]),
        stop,
      };
    },
  };
}

/** The cheapest cascade of the tree's plan that is at least as accurate as this. */
export function plannedCascade(tree: Tree, accuracy: number): readonly Stage[] {
  const gear = readTreePlan(tree).gears.findLast(({ expected }) => expected.accuracy >= accuracy);
  if (gear === undefined) throw new Error(`the plan has no gear of an accuracy of ${accuracy} or more`);
  return gear.cascade;
}

/** The same with one cascade at all loads. */
export function servedWithOneGear(name: string, tree: Tree, stages: readonly Stage[], into: string): Contender {
  const plan = readTreePlan(tree);
  const file = join(into, `${name.replaceAll(/[^a-z0-9]+/g, '-')}.json`);
  const gear = oneGearPlan({
    weights: plan.weights,
    device: plan.devices[0],
    cascade: stages,
    accuracy: 0,
    minQueueLength: Object.fromEntries(stages.map(({ model }) => [model, 1])),
    maxWaitMs: 0,
  });
  writeFileSync(file, JSON.stringify(gear));
  return { ...served(name, tree, file), expectedAccuracy: () => null };
}

const loopSource = fileURLToPath(new URL('../handwritten-loop.ts', import.meta.url));
const loopFolder = fileURLToPath(new URL('../../results/built', import.meta.url));

/** Compiles the hand-written loop, so that it does not pay for a loader either. */
export async function buildHandwritten(): Promise<void> {
  const options = ['--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', '--types', 'node', '--outDir', loopFolder];
  await runCommand('npx', ['tsc', '--ignoreConfig', loopSource, ...options]);
}

/** The hand-written loop. Not pinned: like ours, it may use the free core. */
export function handwritten(name: string, stages: readonly Stage[], batch: string): Contender {
  const cascadeText = stages.map(({ model, threshold }) => (threshold === undefined ? model : `${model}:${threshold}`)).join();
  return {
    name,
    expectedAccuracy: () => null,
    async start() {
      const serving = startCommand(process.execPath, [
        join(loopFolder, 'handwritten-loop.js'),
        '--cascade',
        cascadeText,
        '--batch',
        batch,
      ]);
      return {
        endpoint: { url: `${await serving.firstLine}/` },
        memory: () => memoryOf([serving.process.pid!]),
        stop: async () => void (await serving.stop()),
      };
    },
  };
}
