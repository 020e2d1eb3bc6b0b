import { expect, test } from 'vitest';
import { ReplyRoutes } from '../../../../actors/frontend/reply-routes.ts';

test('a reply route is closed once, a second after its last answer', () => {
  const ways = new ReplyRoutes();
  ways.taken('_R_.a');
  ways.taken('_R_.a');
  ways.taken('_R_.b');
  ways.ended('_R_.a', 0);
  ways.ended('_R_.b', 10);
  ways.ended('_R_.a', 500);
  expect(ways.closable(1_009)).toEqual([]);
  expect(ways.closable(1_010)).toEqual(['_R_.b']);
  expect(ways.closable(1_499)).toEqual([]);
  expect(ways.closable(2_000)).toEqual(['_R_.a']);
  expect(ways.closable(9_000)).toEqual([]);
});

test('a client in the same account needs none', () => {
  const ways = new ReplyRoutes();
  ways.taken('_INBOX.x');
  ways.ended('_INBOX.x', 0);
  expect(ways.closable(9_000)).toEqual([]);
});
