import { expect, test } from 'vitest';
import { optionsPage } from '../../../../../plans/domain/deployment/options-page.ts';
import { deploymentReference } from '../../../../../plans/domain/deployment/reference.ts';

test('docs/options.md is what the declarations say', async () => {
  await expect(optionsPage()).toMatchFileSnapshot('../../../../../docs/options.md');
});

test('lists each option once', () => {
  const rows = [...optionsPage().matchAll(/^\| `([^`]+)` \|/gm)].map(([, path]) => path);
  expect(rows.toSorted()).toEqual(
    deploymentReference()
      .map(({ path }) => path)
      .toSorted(),
  );
});
