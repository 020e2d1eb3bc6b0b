/**
 * The engine serves models; what it is used for is up to plans/ and actors/. This check finds places where engine/ mentions that.
 *
 * Usage: node test/support/check-engine-words.mjs [FOLDER], by default engine/; exits with 1 when something is found.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const WORDS = /certaint|uncertain|cascade|gear|\bplans?\b/gi;
/** Product names, which are allowed. */
const OUR_NAMES = /CascadeError|cascadeserve/g;

const [folder = 'engine'] = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
if (files.length === 0) throw new Error(`${folder}: has no .ts files to check`);
const found = files.sort().flatMap((name) => {
  const path = join(folder, name);
  const lines = [name, ...readFileSync(path, 'utf8').split('\n')];
  return lines.flatMap((line, number) => {
    const [word] = line.replaceAll(OUR_NAMES, '').match(WORDS) ?? [];
    return word === undefined ? [] : [`${path}${number === 0 ? '' : `:${number}`}: ${word}`];
  });
});
for (const each of found)
  console.error(`${each}: engine/ must not mention cascades, gears or plans; move this to plans/ or actors/`);
process.exitCode = found.length === 0 ? 0 : 1;
