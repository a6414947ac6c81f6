/* The graphs tab: which compiled steps a job has, and one of them as a picture. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Unanswered, useAnswer } from './answer';
import { Action } from './bits';
import { Choice } from './fields';
import { GraphView } from './graphview';
import { isFinished } from './model';
import type { Requests } from './request';
import type { JobStatus } from './wire';

export function Graphs(props: {
  requests: Requests;
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { requests, job, trans } = props;
  const name = job.spec.name;
  const [at, setAt] = React.useState(0);
  const [asked, ask] = React.useReducer((n: number) => n + 1, 0);
  const [graphs, trouble] = useAnswer(
    () => requests.graphs(name),
    name,
    `${asked} ${job.state}`
  );
  if (!graphs) {
    return <Unanswered trouble={trouble} trans={trans} />;
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
          <Choice
            label={trans.__('Step')}
            value={at}
            set={setAt}
            options={graphs.map((each, i) => [i, each.title] as const)}
          />
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
