/* Writes src/wire.ts, the types of the wire, from the contract that the server keeps. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { load } from 'js-yaml';

const contract = new URL('../jupyter_kf/server/job.v1.yaml', import.meta.url);
const target = new URL('src/wire.ts', import.meta.url);

export async function generate() {
  const schema = load(await readFile(contract, 'utf8'));
  delete schema.$id; // an identifier, not a place to fetch from
  delete schema.properties.job.type;
  return compile(schema, 'JobEvent', {
    additionalProperties: false,
    bannerComment:
      '/* Generated from job.v1.yaml by `jlpm build:wire`; do not edit. */',
    style: { singleQuote: true, trailingComma: 'none', arrowParens: 'avoid' },
    unreachableDefinitions: true
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(target, await generate());
}
