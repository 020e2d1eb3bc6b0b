/**
 * A command's output without the parts that depend on the machine: figures become N, devices and placements become placeholders, and
 * of a table only the head is left, plus the first column if it is the same everywhere.
 * @param names other texts and their replacements.
 */
export function masked(text: string, names: Readonly<Record<string, string>>): string {
  let named = text;
  for (const [from, to] of Object.entries(names)) named = named.replaceAll(from, to);
  const lines: string[] = [];
  let rows = 0;
  let ofReasons = false;
  for (const line of named.trimEnd().split('\n')) {
    if (/^[┌├└]/.test(line)) {
      if (line.startsWith('┌')) rows = 0;
      continue;
    }
    if (line.startsWith('│')) {
      const cells = line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim());
      const isReport =
        lines.at(-1)?.startsWith('| ') === true ? lines.at(-1)!.startsWith('| report') : cells.length === 2 && cells[0] === '';
      if (isReport) lines.push(rows === 0 ? '| report |' : `| report | ${cells[0]}`);
      else if (rows === 0) lines.push(`| ${cells.join(' | ')} |`);
      else if (rows === 1) lines.push('| ...');
      rows++;
      continue;
    }
    // Printed if the load generator had no core of its own.
    if (line.startsWith('VOID')) continue;
    // The size of the frontier depends on measurements.
    if (/^\(\d+ more that no gear runs\)/.test(line)) continue;
    // The reasons for a gear depend on measurements.
    if (ofReasons && line.startsWith('  ')) continue;
    ofReasons = line.startsWith('Why these gears');
    lines.push(withoutFigures(line));
    if (ofReasons) lines.push('  ...');
  }
  return lines.join('\n');
}

function withoutFigures(line: string): string {
  return line
    .replace(/^(placement: ).*/, '$1...')
    .replace(/^weights: .*/, 'weights: ...')
    .replace(/(measured| samples) on .* x \d+, Node .*?(;|$)/, '$1 on MACHINE$2')
    .replace(/cores? [\d, ]+: enough for .*/, 'cores N: enough for DEVICES')
    .replace(/devices [\w-]+(, [\w-]+)*(?=, \d+ gear)/, 'DEVICES')
    .replace(/, [\da-f]{8}\)/, ', DIGEST)')
    .replaceAll(/\b\d+ (gear|device|frontend|warning)s?\b/g, 'N $1s')
    .replaceAll(/(?<![A-Za-z_\d.])\d+(\.\d+)*/g, 'N')
    .replaceAll(/ {2,}/g, '  ');
}
