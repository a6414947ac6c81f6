/* The tables of a stored graph: facts, signature, versions, runs. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Action, Link, State } from './bits';
import type { Graph, GraphVersion, Tensor } from './graphwire';
import { sizeText, tensorText } from './signature';
import { Facts, Table } from './table';
import type { JobStatus } from './wire';
import { duration, elapsed, moment } from './words';

const MOST_RUNS = 10;

export function VersionFacts(props: {
  version: GraphVersion;
  trans: TranslationBundle;
}): JSX.Element {
  const { version, trans } = props;
  const { trained } = version;
  const count = Object.values(version.ops).reduce((sum, n) => sum + n, 0);
  const facts: [string, string][] = [
    [trans.__('Stored'), moment(version.created, Date.now() / 1000)],
    [trans.__('Size'), sizeText(version.bytes)],
    [trans.__('Operations'), String(count)],
    [
      trans.__('Trained'),
      trained
        ? trans.__(
            '%1 steps from version %2, by the job %3',
            trained.steps,
            trained.parent,
            trained.job
          )
        : ''
    ],
    [
      trans.__('Last loss'),
      typeof trained?.loss === 'number' ? trained.loss.toPrecision(4) : ''
    ],
    [trans.__('Reads or writes files'), version.asks.join(', ')],
    [trans.__('Notebook'), version.notebook],
    [
      trans.__('Written by'),
      Object.entries(version.versions)
        .map(([name, number]) => `${name} ${number}`)
        .join(', ')
    ],
    [trans.__('Hash'), version.hash.slice(0, 16)]
  ];
  return <Facts facts={facts} />;
}

export function Signature(props: {
  version: GraphVersion;
  trans: TranslationBundle;
}): JSX.Element {
  const { version, trans } = props;
  const parts: [string, Tensor[]][] = [
    [trans.__('input'), version.inputs],
    [trans.__('output'), version.outputs],
    [trans.__('weight'), version.weights]
  ];
  return (
    <Table
      caption={trans.__('Signature')}
      head={[trans.__('Part'), trans.__('Name'), trans.__('Type and shape')]}
      names={1}
      rows={parts.flatMap(([part, tensors]) =>
        tensors.map((tensor, i) => [
          part,
          tensor.name || i,
          tensorText(trans, tensor)
        ])
      )}
    />
  );
}

export function Versions(props: {
  graph: Graph;
  trans: TranslationBundle;
  remove: (name: string, version: number) => void;
}): JSX.Element {
  const { graph, trans, remove } = props;
  const now = Date.now() / 1000;
  return (
    <Table
      caption={trans.__('Versions')}
      head={[
        trans.__('Version'),
        trans.__('Stored'),
        trans.__('Size'),
        trans.__('Comes from'),
        trans.__('Actions')
      ]}
      names={0}
      rows={graph.versions.map(each => [
        each.version,
        moment(each.created, now),
        sizeText(each.bytes),
        each.trained?.job || each.notebook,
        <Action
          label={trans.__('Delete…')}
          name={trans.__('Delete version %1 of %2', each.version, graph.name)}
          danger
          onClick={() => remove(graph.name, each.version)}
        />
      ])}
    />
  );
}

export function Runs(props: {
  jobs: JobStatus[];
  trans: TranslationBundle;
  openJob: (name: string) => void;
}): JSX.Element {
  const { jobs, trans, openJob } = props;
  const now = Date.now() / 1000;
  if (!jobs.length) {
    return <p className="jp-kf-empty">{trans.__('It has not run yet.')}</p>;
  }
  return (
    <Table
      caption={trans.__('Last runs')}
      head={[
        trans.__('Job'),
        trans.__('State'),
        trans.__('Workers'),
        trans.__('Begun'),
        trans.__('Time taken')
      ]}
      names={0}
      rows={jobs.slice(0, MOST_RUNS).map(job => {
        const { name, replicas, created } = job.spec;
        const seconds = elapsed(job, now);
        return [
          <Link text={name} onClick={() => openJob(name)} />,
          <State state={job.state} trans={trans} />,
          replicas,
          moment(created, now),
          seconds === null ? '' : duration(seconds)
        ];
      })}
    />
  );
}
