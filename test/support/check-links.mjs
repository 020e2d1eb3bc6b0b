/**
 * Finds links in Markdown files to missing files and headings. It does not check links to other sites, so it needs no network.
 *
 * Usage: node test/support/check-links.mjs [FOLDER], by default the repository; exits with 1 when a link leads nowhere.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import GithubSlugger from 'github-slugger';
import { lexer, walkTokens } from 'marked';

const NOT_OURS = /(^|\/)(node_modules|dist|\.[^/]+)\//;

const [root = '.'] = process.argv.slice(2);
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.md') && !NOT_OURS.test(`${name}/`),
);
if (files.length === 0) throw new Error(`${root}: has no .md files to check`);

/** Anchors that links may name after #, by file path. */
const anchors = new Map();

const found = files.sort().flatMap((file) => linksOf(file).flatMap((href) => problemOf(file, href)));
for (const each of found) console.error(each);
process.exitCode = found.length === 0 ? 0 : 1;

function linksOf(file) {
  const links = [];
  void walkTokens(lexer(read(file)), (token) => {
    if (token.type === 'link' || token.type === 'image') links.push(token.href);
  });
  return links;
}

function problemOf(file, href) {
  if (/^[a-z][a-z+.-]*:/i.test(href)) return [];
  const [path, anchor] = href.split('#');
  const target = path === '' ? file : normalize(join(dirname(file), decodeURIComponent(path)));
  if (target.startsWith('..')) return [`${file}: ${href} leads out of the repository`];
  if (statSync(join(root, target), { throwIfNoEntry: false }) === undefined) return [`${file}: ${href}: there is no ${target}`];
  if (anchor === undefined || !target.endsWith('.md') || anchorsOf(target).has(anchor)) return [];
  return [`${file}: ${href}: ${target} has no heading #${anchor}; it has ${[...anchorsOf(target)].join(', ')}`];
}

function anchorsOf(file) {
  let known = anchors.get(file);
  if (known === undefined) {
    const slugger = new GithubSlugger();
    known = new Set();
    void walkTokens(lexer(read(file)), (token) => {
      if (token.type === 'heading') known.add(slugger.slug(plain(token.tokens)));
    });
    anchors.set(file, known);
  }
  return known;
}

/** The text of a heading as displayed. */
function plain(tokens) {
  return tokens.map((token) => (token.tokens === undefined ? token.text : plain(token.tokens))).join('');
}

function read(file) {
  return readFileSync(join(root, file), 'utf8');
}
