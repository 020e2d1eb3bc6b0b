import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SubjectTree } from '../../../../engine/bus/subject-tree.ts';

const token = fc.constantFrom('a', 'b', 'c');
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 0, maxLength: 4 }), fc.boolean())
  .filter(([tokens, rest]) => tokens.length > 0 || rest)
  .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'));

/** The definition of NATS as a regular expression. */
function matches(wanted: string, given: string): boolean {
  const expression = wanted.split('.').map((part) => (part === '*' ? '[^.]+' : part === '>' ? '.+' : part));
  return new RegExp(`^${expression.join('\\.')}$`).test(given);
}

describe('a subject tree', () => {
  it('finds the listeners whose patterns match, as NATS defines it, after any additions and removals', () => {
    const operations = fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 30 });
    fc.assert(
      fc.property(operations, subject, (steps, published) => {
        const tree = new SubjectTree<number>();
        const model = new Map<number, string>();
        const removals: (() => void)[] = [];
        steps.forEach(([wanted, remove], i) => {
          removals.push(tree.add(wanted, undefined, i));
          model.set(i, wanted);
          if (!remove) return;
          const victim = i >> 1;
          removals[victim]();
          model.delete(victim);
        });
        const expected = [...model].filter(([, wanted]) => matches(wanted, published)).map(([i]) => i);
        expect(tree.match(published).sort((a, b) => a - b)).toEqual(expected);
      }),
    );
  });

  it('lets the members of a queue group take turns', () => {
    const tree = new SubjectTree<string>();
    for (const member of ['a', 'b', 'c']) tree.add('work', 'q', member);
    tree.add('work', undefined, 'plain');
    const turns = Array.from({ length: 6 }, () => tree.match('work'));
    expect(turns).toEqual([...'abcabc'].map((member) => ['plain', member]));
  });

  it('keeps the turns of two subjects apart, even if their groups have the same name', () => {
    const tree = new SubjectTree<string>();
    for (const member of ['a', 'b']) tree.add('one', 'q', `${member}1`);
    for (const member of ['a', 'b']) tree.add('two', 'q', `${member}2`);
    const turns = ['one', 'two', 'one', 'two'].flatMap((published) => tree.match(published));
    expect(turns).toEqual(['a1', 'a2', 'b1', 'b2']);
  });

  it('joins all matching patterns with the same group name into one group', () => {
    const tree = new SubjectTree<string>();
    tree.add('work.*', 'q', 'star');
    tree.add('work.>', 'q', 'rest');
    expect([tree.match('work.x'), tree.match('work.x')].flat().sort()).toEqual(['rest', 'star']);
  });

  it('leaves the choice to the given function', () => {
    const tree = new SubjectTree<string>((n) => n - 1);
    for (const member of ['a', 'b', 'c']) tree.add('work', 'q', member);
    expect([tree.match('work'), tree.match('work')]).toEqual([['c'], ['c']]);
  });
});
