/* The tables of a stored graph: facts, signature, versions, runs. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Action, State } from './bits';
import type { Graph, GraphVersion, Tensor } from './graphwire';
import { sizeText, tensorText } from './signature';
import type { JobStatus } from './wire';
import { duration, elapsed, moment } from './words';

const MOST_RUNS = 10;

export function Facts(props: {
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
  return (
    <dl className="jp-kf-facts">
      {facts
        .filter(([, value]) => value)
        .map(([key, value]) => (
          <React.Fragment key={key}>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
    </dl>
  );
}

export function Signature(props: {
  version: GraphVersion;
  trans: TranslationBundle;
}): JSX.Element {
  const { version, trans } = props;
  const rows: [string, Tensor[]][] = [
    [trans.__('input'), version.inputs],
    [trans.__('output'), version.outputs],
    [trans.__('weight'), version.weights]
  ];
  return (
    <table className="jp-kf-table">
      <caption>{trans.__('Signature')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Part')}</th>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Type and shape')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.flatMap(([part, tensors]) =>
          tensors.map((tensor, i) => (
            <tr key={`${part} ${i}`}>
              <td>{part}</td>
              <th scope="row">{tensor.name || i}</th>
              <td>{tensorText(trans, tensor)}</td>
            </tr>
          ))
        )}
      </tbody>
    </table>
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
    <table className="jp-kf-table">
      <caption>{trans.__('Versions')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Version')}</th>
          <th scope="col">{trans.__('Stored')}</th>
          <th scope="col">{trans.__('Size')}</th>
          <th scope="col">{trans.__('Comes from')}</th>
          <th scope="col">{trans.__('Actions')}</th>
        </tr>
      </thead>
      <tbody>
        {graph.versions.map(each => (
          <tr key={each.version}>
            <th scope="row">{each.version}</th>
            <td>{moment(each.created, now)}</td>
            <td>{sizeText(each.bytes)}</td>
            <td>{each.trained?.job || each.notebook}</td>
            <td>
              <Action
                label={trans.__('Delete…')}
                name={trans.__(
                  'Delete version %1 of %2',
                  each.version,
                  graph.name
                )}
                danger
                onClick={() => remove(graph.name, each.version)}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
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
    <table className="jp-kf-table">
      <caption>{trans.__('Last runs')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Job')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Workers')}</th>
          <th scope="col">{trans.__('Begun')}</th>
          <th scope="col">{trans.__('Time taken')}</th>
        </tr>
      </thead>
      <tbody>
        {jobs.slice(0, MOST_RUNS).map(job => {
          const seconds = elapsed(job, now);
          return (
            <tr key={job.spec.name}>
              <th scope="row">
                <button
                  type="button"
                  className="jp-kf-link"
                  onClick={() => openJob(job.spec.name)}
                >
                  {job.spec.name}
                </button>
              </th>
              <td>
                <State state={job.state} trans={trans} />
              </td>
              <td>{job.spec.replicas}</td>
              <td>{moment(job.spec.created, now)}</td>
              <td>{seconds === null ? '' : duration(seconds)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
