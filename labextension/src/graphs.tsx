/* The graphs tab: which compiled steps a job has, and one of them as a picture. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Action } from './bits';
import { GraphView } from './graphview';
import { isFinished } from './model';
import type { IGraph, Requests } from './request';
import type { JobStatus } from './wire';

export function Graphs(props: {
  requests: Requests;
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { requests, job, trans } = props;
  const name = job.spec.name;
  const [graphs, setGraphs] = React.useState<IGraph[]>();
  const [trouble, setTrouble] = React.useState('');
  const [at, setAt] = React.useState(0);
  const [asked, ask] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    let wanted = true;
    requests.graphs(name).then(
      found => wanted && setGraphs(found),
      (error: Error) => wanted && setTrouble(error.message)
    );
    return () => {
      wanted = false;
    };
  }, [requests, name, asked, job.state]);
  if (trouble || !graphs) {
    return <p className="jp-kf-empty">{trouble || trans.__('Asking…')}</p>;
  }
  if (!graphs.length) {
    return (
      <>
        <p className="jp-kf-empty">
          {isFinished(job.state)
            ? trans.__('No step of a Keras model was compiled in this job.')
            : trans.__(
                'The graph comes when the first step of a Keras model is compiled.'
              )}
        </p>
        {!isFinished(job.state) && (
          <div>
            <Action label={trans.__('Ask again')} onClick={ask} />
          </div>
        )}
      </>
    );
  }
  const graph = graphs[Math.min(at, graphs.length - 1)];
  return (
    <>
      {graphs.length > 1 && (
        <div className="jp-kf-toolbar">
          <label>
            {trans.__('Step')}{' '}
            <select
              className="jp-mod-styled"
              value={at}
              onChange={event => setAt(Number(event.target.value))}
            >
              {graphs.map((each, i) => (
                <option key={each.title} value={i}>
                  {each.title}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      <GraphView
        key={graph.title}
        name={name}
        nodes={graph.nodes}
        trans={trans}
      />
    </>
  );
}
