/**
 * What a command says, without what depends on the machine: figures are N, devices and placements are named as such, and of a table
 * there are its head and, where its first column is the same everywhere, that.
 * @param names other texts, and what is to stand for them.
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
    // It says of the load generator that it had no core for itself.
    if (line.startsWith('VOID')) continue;
    // Of a frontier, which is of what was measured here.
    if (/^\(\d+ more that no gear runs\)/.test(line)) continue;
    // Why one gear and not another: by what was measured here.
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
