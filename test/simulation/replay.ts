import { runSeed } from './support/fault-world.ts';

/** `node --import tsx test/simulation/replay.ts SEED`: runs one seed of the fault simulation and prints what happens. */
const seed = Number(process.argv[2]);
if (!Number.isInteger(seed)) throw new Error(`seed: ${process.argv[2]}; give the number that the test has printed`);
const report = await runSeed(seed, (line) => console.log(line));
console.log(JSON.stringify(report, null, 2));
if (report.violations.length > 0) process.exitCode = 1;
