/* Writes the types of the wire in src/ from the contracts that the server keeps. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { load } from 'js-yaml';

const SERVER = new URL('../jupyter_kf/server/', import.meta.url);

/** The files of types, with the contract of each. */
export const CONTRACTS = {
  'src/wire.ts': 'job.v1.yaml',
  'src/graphwire.ts': 'graph.v1.yaml'
};

export async function generate(contract) {
  const schema = load(await readFile(new URL(contract, SERVER), 'utf8'));
  delete schema.$id; // an identifier, not a place to fetch from
  delete schema.properties.job?.type;
  return compile(schema, schema.title, {
    additionalProperties: false,
    bannerComment: `/* Generated from ${contract} by \`jlpm build:wire\`; do not edit. */`,
    style: { singleQuote: true, trailingComma: 'none', arrowParens: 'avoid' },
    unreachableDefinitions: true
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, contract] of Object.entries(CONTRACTS)) {
    await writeFile(new URL(file, import.meta.url), await generate(contract));
  }
}
