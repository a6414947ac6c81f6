/* The types are those of the contract. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { generate } from './wire.mjs';

test('src/wire.ts is what the contract makes; else run `jlpm build:wire`', async () => {
  const kept = await readFile(new URL('src/wire.ts', import.meta.url), 'utf8');
  assert.equal(kept, await generate());
});
