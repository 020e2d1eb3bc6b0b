import pc from 'picocolors';
import { printable } from '../../engine/printable.ts';
import { shellWord } from '../../plans/commands/shell-word.ts';
import { counted } from '../../plans/explain/format.ts';
import type { CheckReport } from './check-deployment.ts';
import type { Finding, Level } from './finding.ts';

const COLOURS: Readonly<Record<Level, (text: string) => string>> = { ok: pc.green, warning: pc.yellow, problem: pc.red };
const LEVEL_WIDTH = 'problem'.length;
const AREA_WIDTH = 'configuration'.length;

/** One line per finding, and what to do next. */
export function describeCheck({ findings, verdict }: CheckReport, path: string): string {
  return `${[...findings.flatMap(lineOf), summaryOf(findings), ...nextSteps(findings, verdict, path)].join('\n')}\n`;
}

function lineOf({ level, area, message }: Finding): string[] {
  const [first, ...more] = message.split('\n').map(printable);
  const indent = ' '.repeat(LEVEL_WIDTH + AREA_WIDTH + 4);
  return [
    `${COLOURS[level](level.padEnd(LEVEL_WIDTH))}  ${area.padEnd(AREA_WIDTH)}  ${first}`,
    ...more.map((line) => `${indent}${line}`),
  ];
}

function summaryOf(findings: readonly Finding[]): string {
  const parts = (['problem', 'warning'] as const).map((level) => {
    const count = findings.filter((finding) => finding.level === level).length;
    return counted(count, level);
  });
  return parts.join(', ');
}

/** The next command, if the files are in order. */
function nextSteps(findings: readonly Finding[], verdict: Level, path: string): string[] {
  const stands = (area: Finding['area'], level: Level): boolean =>
    findings.some((finding) => finding.area === area && finding.level === level);
  if ((['configuration', 'models', 'data', 'profile', 'plan', 'machine'] as const).some((area) => stands(area, 'problem')))
    return [];
  const next = (command: string): string[] => [`next: cascade ${command} ${shellWord(path)}`];
  if (!stands('profile', 'ok')) return next('profile');
  if (!stands('plan', 'ok')) return next('plan');
  return verdict === 'problem' ? [] : next('serve');
}
